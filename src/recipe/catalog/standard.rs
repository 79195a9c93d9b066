//! The functions that the language itself brings.

use std::sync::OnceLock;

use serde::Deserialize;

use crate::recipe::limits;

#[derive(Deserialize)]
struct Metadata {
    functions: Vec<Function>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Function {
    name: String,
    num_params: usize,
}

/// Known to the interpreter itself rather than to its packages, with the numbers of their arguments.
const KEYWORDS: [(&str, usize); 10] = [
    ("print", 1),
    ("debug", 1),
    ("type_of", 1),
    ("is_shared", 1),
    ("is_def_var", 1),
    ("is_def_fn", 2),
    ("Fn", 1),
    ("call", 1),
    ("call", 2),
    ("call", 3),
];

/// Each with the number of its parameters, a method's receiver included.
pub fn functions() -> impl Iterator<Item = (&'static str, usize)> {
    static FUNCTIONS: OnceLock<Vec<(String, usize)>> = OnceLock::new();
    let known = FUNCTIONS.get_or_init(|| {
        let json = limits::sandbox().gen_fn_metadata_to_json(true).expect("metadata of functions is plain data");
        let metadata: Metadata = serde_json::from_str(&json).expect("the form that Rhai writes");
        let functions = metadata.functions.into_iter().map(|function| (function.name, function.num_params));
        functions.chain(KEYWORDS.map(|(name, arity)| (name.to_owned(), arity))).collect()
    });
    known.iter().map(|(name, arity)| (name.as_str(), *arity))
}
