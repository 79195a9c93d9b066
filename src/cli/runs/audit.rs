//! `stagecraft runs --audit`.

use serde_json::{Value, json};

use super::super::{CliError, Exit, Global, home::Home, last_line::LastLine, project, table};
use crate::mirror::{Deed, Line};

pub async fn run(global: &Global) -> Result<Exit, CliError> {
    let last = LastLine::start(global);
    let home = Home::connect(project::load(global).await?).await?;
    let lines = home.audit().await;
    home.close().await;
    let lines = lines?;
    if global.json {
        for line in &lines {
            table::say(&format!("{}\n", as_json(line)));
        }
    } else if lines.is_empty() {
        table::say("no run yet; `stagecraft deploy` makes the first\n");
    } else {
        let rows: Vec<Vec<String>> = lines.iter().map(row).collect();
        table::print(&["TIME", "WHO", "WHAT", "RELEASE", "DEED", "RUN"], &rows);
    }
    last.print(Exit::Done, None, &home.hosts());
    Ok(Exit::Done)
}

fn row(line: &Line) -> Vec<String> {
    let deed = match &line.deed {
        Deed::Began => "began".to_owned(),
        Deed::Resumed => "resumed".to_owned(),
        Deed::Undone => "began to undo".to_owned(),
        Deed::Approved { by } => format!("approved by {by}"),
        Deed::Denied { by } => format!("denied by {by}"),
        Deed::Ended { outcome } => format!("ended: {}", outcome.words()),
    };
    let release = line.release.clone().unwrap_or_default();
    vec![table::time(line.time), line.who.clone(), line.what.clone(), release, deed, line.run.to_string()]
}

/// The line as it stands in the audit, with a `type`.
fn as_json(line: &Line) -> Value {
    let mut object = json!({ "type": "audit" });
    if let (Value::Object(object), Ok(Value::Object(fields))) = (&mut object, serde_json::to_value(line)) {
        object.extend(fields);
    }
    object
}
