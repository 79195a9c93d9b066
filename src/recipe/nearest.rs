//! The known name that a mistaken one was probably meant to be.

/// Names more distant than this share of their length are not suggested.
const CLOSE: f64 = 0.62;

/// The most similar of the known names, when one is similar at all.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = known.into_iter().map(|other| (strsim::normalized_damerau_levenshtein(name, other), other));
    scored.filter(|(score, _)| *score >= CLOSE).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, other)| other)
}

/// `did you mean …?`, or all that there are.
pub fn suggestion<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(name, known.iter().copied()) {
        Some(nearest) => Some(format!("did you mean `{nearest}`?")),
        None if known.is_empty() => None,
        None => Some(format!("there are {}", known.join(", "))),
    }
}
