//! The JSON Schema of stagecraft.yml, for editors.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::file::File;

/// The schema as it stands in `spec/schema/stagecraft.json`.
pub fn schema() -> Value {
    let mut schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<File>();
    schema.insert("title".to_owned(), "stagecraft.yml".into());
    schema.into()
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::schema;

    // spec: config.schema
    #[test]
    fn the_schema_in_spec_is_current() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("spec/schema/stagecraft.json");
        let current = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
        if std::env::var_os("UPDATE").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &current).unwrap();
        }
        let written = fs::read_to_string(&path).unwrap_or_default();
        assert!(written == current, "{} is not current: run `UPDATE=1 cargo test schema`", path.display());
    }
}
