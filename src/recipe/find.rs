//! Where recipes come from: the project's `recipes/`, this binary, or a path.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{RecipeError, catalog::Catalog, nearest::nearest, syntax};

/// The folder of a project's own recipes.
pub const FOLDER: &str = "recipes";
/// What a recipe's file ends in.
const EXTENSION: &str = "rhai";
/// What brings back a kept release.
const RESTORE: &str = "release::restore";
const TRANSFER: &str = "image::transfer";

/// The recipes of this binary, by name.
const BUILT_IN: [(&str, &str); 2] =
    [("deploy", include_str!("../../recipes/deploy.rhai")), ("rollback", include_str!("../../recipes/rollback.rhai"))];

/// A script that builds a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// Such as `deploy`: the file's name without its ending.
    pub name: String,
    /// The file as a user would write it from the project directory; `None` for one of this binary.
    pub path: Option<PathBuf>,
    pub source: String,
}

impl Recipe {
    /// What an error calls its file.
    pub fn file(&self) -> PathBuf {
        self.path.clone().unwrap_or_else(|| format!("built-in recipe {}", self.name).into())
    }

    /// Whether it brings back a kept release: then it has no need of today's images.
    ///
    /// One that cannot be read restores nothing; evaluating it says what is wrong.
    pub fn restores(&self) -> bool {
        self.calls(RESTORE)
    }

    /// Whether it sends today's images, and so puts today's services on the hosts.
    pub fn transfers(&self) -> bool {
        self.calls(TRANSFER) && !self.restores()
    }

    fn calls(&self, name: &str) -> bool {
        let parsed = syntax::parse(self, &Catalog::default());
        parsed.is_ok_and(|ast| syntax::calls(&ast).iter().any(|call| call.name == name))
    }

    /// The first line of its `//!` comment; empty when it has none.
    pub fn summary(&self) -> &str {
        self.docs().next().unwrap_or_default()
    }

    /// The lines of its `//!` comment.
    pub fn docs(&self) -> impl Iterator<Item = &str> {
        let lines = self.source.lines().map_while(|line| line.trim_start().strip_prefix("//!"));
        lines.map(|line| line.strip_prefix(' ').unwrap_or(line))
    }
}

/// The recipe of this name: the project's own, else this binary's; with a `/` or the ending `.rhai` it is a path.
pub fn find(directory: &Path, name_or_path: &str) -> Result<Recipe, Box<RecipeError>> {
    let file = Path::new(name_or_path);
    if name_or_path.contains('/') || file.extension().is_some_and(|extension| extension == EXTENSION) {
        return match read(directory, file)? {
            Some(recipe) => Ok(recipe),
            None => Err(not_found(directory, name_or_path).into()),
        };
    }
    if let Some(own) = read(directory, &own_path(name_or_path))? {
        return Ok(own);
    }
    built_in(name_or_path).ok_or_else(|| not_found(directory, name_or_path).into())
}

/// The recipe of this name that this binary brings.
pub fn built_in(name: &str) -> Option<Recipe> {
    let (name, source) = BUILT_IN.into_iter().find(|(known, _)| *known == name)?;
    Some(Recipe { name: name.to_owned(), path: None, source: source.to_owned() })
}

/// Where a project keeps its own recipe of this name, from the project directory.
pub fn own_path(name: &str) -> PathBuf {
    Path::new(FOLDER).join(name).with_extension(EXTENSION)
}

/// Every recipe of the project and of this binary, by name; a project's own hides a built-in one.
pub fn list(directory: &Path) -> Result<Vec<Recipe>, Box<RecipeError>> {
    let mut recipes = Vec::new();
    for path in own_files(directory)? {
        recipes.extend(read(directory, &path)?);
    }
    for (name, _) in BUILT_IN {
        if !recipes.iter().any(|own| own.name == name) {
            recipes.extend(built_in(name));
        }
    }
    recipes.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(recipes)
}

fn own_files(directory: &Path) -> Result<Vec<PathBuf>, Box<RecipeError>> {
    let unreadable =
        |error: io::Error| Box::new(RecipeError::Unreadable { path: FOLDER.into(), why: error.to_string() });
    let entries = match fs::read_dir(directory.join(FOLDER)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        if let (Some(stem), true) = (path.file_stem(), path.extension().is_some_and(|ending| ending == EXTENSION)) {
            files.push(own_path(&stem.to_string_lossy()));
        }
    }
    Ok(files)
}

/// `None` when there is no such file.
fn read(directory: &Path, path: &Path) -> Result<Option<Recipe>, Box<RecipeError>> {
    match fs::read_to_string(directory.join(path)) {
        Ok(source) => {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            Ok(Some(Recipe { name, path: Some(path.to_owned()), source }))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Box::new(RecipeError::Unreadable { path: path.to_owned(), why: error.to_string() })),
    }
}

fn not_found(directory: &Path, name: &str) -> RecipeError {
    let known: Vec<String> = list(directory).unwrap_or_default().into_iter().map(|recipe| recipe.name).collect();
    let nearest = nearest(name, known.iter().map(String::as_str)).map(str::to_owned);
    RecipeError::NotFound { name: name.to_owned(), known, nearest }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Recipe, built_in, find, list};

    #[test]
    fn a_projects_own_recipe_takes_the_place_of_the_built_in_one() {
        let project = tempfile::tempdir().unwrap();
        let path = |recipe: &super::Recipe| recipe.file().display().to_string();
        assert_eq!(path(&find(project.path(), "deploy").unwrap()), "built-in recipe deploy");
        fs::create_dir(project.path().join("recipes")).unwrap();
        fs::write(project.path().join("recipes/deploy.rhai"), "//! Ours.\n//! More.\nlog(\"x\");").unwrap();
        fs::write(project.path().join("recipes/nightly.rhai"), "").unwrap();
        let own = find(project.path(), "deploy").unwrap();
        assert_eq!((path(&own).as_str(), own.summary()), ("recipes/deploy.rhai", "Ours."));
        assert_eq!(find(project.path(), "recipes/nightly.rhai").unwrap().name, "nightly");
        let names: Vec<String> = list(project.path()).unwrap().into_iter().map(|recipe| recipe.name).collect();
        assert_eq!(names, ["deploy", "nightly", "rollback"]);
    }

    #[test]
    fn a_recipe_that_is_not_there_names_the_nearest() {
        let project = tempfile::tempdir().unwrap();
        let error = find(project.path(), "deplpy").unwrap_err();
        assert_eq!(error.to_string(), "there is no recipe `deplpy`");
        assert_eq!(
            error.diagnostic().help.as_deref(),
            Some("did you mean `deploy`? there are deploy, rollback; `stagecraft recipe new deplpy` writes one")
        );
    }

    #[test]
    fn a_recipe_restores_when_it_calls_for_it() {
        let restores = |source: &str| Recipe { name: "own".into(), path: None, source: source.to_owned() }.restores();
        assert!(restores("let old = release :: restore (\"previous\");"));
        assert!(restores("fn back(which) { release::restore(which) }\nlet old = back(3);"));
        assert!(restores("step(\"back\", || release::restore(3));"));
        assert!(!restores("log(\"see release::restore(3)\");"));
        assert!(!restores("/* release::restore(3); */ let x = 1; // release::restore(3)"));
        assert!(!restores("release::restore("));
        assert!(built_in("rollback").unwrap().restores() && !built_in("deploy").unwrap().restores());
    }
}
