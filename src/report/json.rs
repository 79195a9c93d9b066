//! Events as JSON, one a line: `type`, `version` and `time` first, then what the event holds.

use serde_json::{Map, Value};

use crate::engine::event::{Emitted, VERSION};

/// One line, without its newline.
pub fn line(emitted: &Emitted) -> String {
    let Ok(Value::Object(mut event)) = serde_json::to_value(&emitted.event) else {
        unreachable!("every event is a map of plain data")
    };
    let mut line = Map::new();
    line.extend(event.shift_remove_entry("type"));
    line.insert("version".into(), VERSION.into());
    line.insert("time".into(), emitted.time.to_string().into());
    line.extend(event);
    Value::Object(line).to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use stdlib::{failure::Failure, model::HostName, plan::Key};

    use super::line;
    use crate::engine::event::{Emitted, Event, OperationOutcome, Seconds, StepOutcome};

    fn at_noon(event: Event) -> Emitted {
        Emitted { time: "2025-11-24T12:00:03.25Z".parse().unwrap(), event }
    }

    // spec: run.json
    #[test]
    fn an_event_is_a_line_of_json() {
        let key = Key::root().child("roll web").child("container.start");
        let ended = Event::OperationEnded {
            key: key.clone(),
            host: Some(HostName::new("web-1").unwrap()),
            title: "start shop-web-r3-1".into(),
            outcome: OperationOutcome::Failed,
            failure: Some(Failure::new("it exited with code 1")),
            seconds: Seconds(Duration::from_micros(432_100)),
        };
        assert_eq!(
            line(&at_noon(ended)),
            r#"{"type":"operation_ended","version":1,"time":"2025-11-24T12:00:03.25Z","key":"/roll web/container.start","host":"web-1","title":"start shop-web-r3-1","outcome":"failed","failure":{"certainty":"known","host":null,"message":"it exited with code 1","detail":null,"hint":null},"seconds":0.432}"#
        );
        let ended = Event::StepEnded {
            key,
            name: "roll web".into(),
            outcome: StepOutcome::Ok,
            seconds: Seconds(Duration::from_secs(2)),
        };
        assert_eq!(
            line(&at_noon(ended)),
            r#"{"type":"step_ended","version":1,"time":"2025-11-24T12:00:03.25Z","key":"/roll web/container.start","name":"roll web","outcome":"ok","seconds":2.0}"#
        );
    }
}
