//! One environment of the file: its own settings over those for all.

use std::ops::Range;

use stdlib::model::EnvironmentName;

use super::{
    Diagnostic,
    file::{Environment, File, Host, Service},
    findings::{Findings, instead, list},
    shape::{Setting, Shape as _},
    values::{Named, Table, Words},
};

/// The environment of a file that has no `environments`.
const DEFAULT: &str = "default";

/// What the file says for one environment.
#[derive(Debug)]
pub struct Chosen {
    pub name: EnvironmentName,
    pub hosts: Setting<Table<Host>>,
    pub state: Setting<String>,
    pub services: Table<Service>,
    pub env_files: Setting<Words>,
    pub profiles: Setting<Words>,
}

/// The environment that is asked for, or the only one.
pub fn choose(file: &File, wanted: Option<&str>, findings: &mut Findings) -> Option<Chosen> {
    let declared = file.environments.value().map_or(&[][..], |table| &table.0);
    let mut names = Vec::new();
    for named in declared {
        match EnvironmentName::new(&named.name) {
            Ok(name) => names.push((name, &named.value)),
            Err(error) => _ = findings.error(&named.key, error.to_string()),
        }
    }
    let (name, own) = match (wanted, &names[..]) {
        (None | Some(DEFAULT), []) if declared.is_empty() => {
            (EnvironmentName::new(DEFAULT).expect("a valid name"), Environment::default())
        }
        (None, [(name, own)]) => (name.clone(), (*own).clone()),
        // All their names are found wrong.
        (None, []) => return None,
        (None, _) => {
            let several = format!("there are several environments: {}", list(names.iter().map(|(name, _)| name)));
            findings.error(&place(file), several).help("choose one with `--env`");
            return None;
        }
        (Some(wanted), _) => {
            let Some((name, own)) = names.iter().find(|(name, _)| name.as_str() == wanted) else {
                unknown(wanted, file, findings);
                return None;
            };
            (name.clone(), (*own).clone())
        }
    };
    Some(over(name, own, file))
}

fn place(file: &File) -> Range<usize> {
    file.environments.given().map_or(0..0, |given| given.key.clone())
}

fn unknown(wanted: &str, file: &File, findings: &mut Findings) {
    let message = format!("there is no environment `{wanted}`");
    if let Some(table) = file.environments.value() {
        let help = instead(wanted, table.names());
        findings.error(&place(file), message).help(help);
        return;
    }
    let help =
        format!("the file has no `environments`: leave out `--env`, or add `environments: {{ {wanted}: {{}} }}`");
    findings.errors.push_mut(Diagnostic::of_file(super::FILE, message)).help(help);
}

fn over(name: EnvironmentName, own: Environment, file: &File) -> Chosen {
    let all = file.services.value().cloned().unwrap_or_default();
    let mine = own.services.value().cloned().unwrap_or_default();
    // The file's `state` names one of the file's hosts.
    let has_hosts = own.hosts.given().is_some();
    Chosen {
        name,
        state: if has_hosts { own.state } else { own.state.over(file.state.clone()) },
        hosts: own.hosts.over(file.hosts.clone()),
        services: merge(all, mine),
        env_files: own.env_files,
        profiles: own.profiles.over(file.profiles.clone()),
    }
}

fn merge(all: Table<Service>, mine: Table<Service>) -> Table<Service> {
    let mut merged = all.0;
    for Named { name, key, value } in mine.0 {
        match merged.iter_mut().find(|named| named.name == name) {
            Some(base) => base.value = value.over(std::mem::take(&mut base.value)),
            None => merged.push(Named { name, key, value }),
        }
    }
    Table(merged)
}
