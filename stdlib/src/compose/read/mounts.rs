//! The `volumes` and `tmpfs` of a service.

use std::collections::BTreeMap;

use serde_json::Value;

use super::section::{Section, no_hint};
use crate::{compose::definition::Mount, model::VolumeName};

pub fn volumes(service: &mut Section<'_>) -> Vec<Mount> {
    service.list("volumes").into_iter().filter_map(mount).collect()
}

fn mount(mut section: Section<'_>) -> Option<Mount> {
    let kind = section.text("type").unwrap_or_default();
    let target = section.text("target").unwrap_or_default();
    let read_only = section.flag("read_only").unwrap_or(false);
    let mount = match kind.as_str() {
        "volume" => volume(&mut section, target, read_only),
        "bind" => Some(bind(&mut section, target, read_only)),
        "tmpfs" => {
            let mut options = section.section("tmpfs");
            let mount =
                Mount::Tmpfs { target, read_only, size: options.whole("size"), mode: options.parsed("mode", mode) };
            options.finish(no_hint);
            Some(mount)
        }
        other => {
            section.problem("type", format!("Stagecraft does not support mounts of type `{other}`"), None);
            return None;
        }
    };
    section.finish(hint);
    mount
}

fn volume(section: &mut Section<'_>, target: String, read_only: bool) -> Option<Mount> {
    let mut options = section.section("volume");
    let nocopy = options.flag("nocopy").unwrap_or(false);
    options.finish(no_hint);
    let Some(source) = section.text("source") else {
        section.problem(
            "source",
            format!("the volume at {target} has no name: each release would begin with an empty one"),
            Some("name the volume and declare it under `volumes`, or use `tmpfs`"),
        );
        return None;
    };
    match VolumeName::new(source) {
        Ok(source) => Some(Mount::Volume { source, target, read_only, nocopy }),
        Err(error) => {
            section.problem("source", error.to_string(), None);
            None
        }
    }
}

fn bind(section: &mut Section<'_>, target: String, read_only: bool) -> Mount {
    let mut options = section.section("bind");
    let create_host_path = options.flag("create_host_path").unwrap_or(false);
    let propagation = options.text("propagation");
    let selinux = options.text("selinux");
    if selinux.is_some() && (propagation.is_some() || !create_host_path) {
        options.problem(
            "selinux",
            "the engine takes no `selinux` label beside `propagation` or `create_host_path: false`",
            Some("leave one of them out"),
        );
    }
    options.finish(no_hint);
    let source = section.text("source").unwrap_or_default();
    Mount::Bind { source, target, read_only, create_host_path, propagation, selinux }
}

/// A number, or its octal digits.
fn mode(value: &Value) -> Result<u32, String> {
    let digits = value.as_str().and_then(|text| u32::from_str_radix(text, 8).ok());
    let number = value.as_u64().and_then(|number| number.try_into().ok());
    digits.or(number).ok_or_else(|| "should be a file mode, such as `0755`".to_owned())
}

fn hint(key: &str) -> Option<&'static str> {
    (key == "consistency").then_some("leave it out: it has no effect on Linux")
}

/// `/run` or `/run:size=10m`, a text or a list of them.
pub fn tmpfs(service: &mut Section<'_>) -> BTreeMap<String, String> {
    let split = |entry: String| match entry.split_once(':') {
        Some((path, options)) => (path.to_owned(), options.to_owned()),
        None => (entry, String::new()),
    };
    service.texts("tmpfs").unwrap_or_default().into_iter().map(split).collect()
}
