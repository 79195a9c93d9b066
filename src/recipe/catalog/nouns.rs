//! The nouns of recipes with their properties and methods.

/// A type whose values a recipe reads.
#[derive(Debug)]
pub struct Noun {
    pub name: &'static str,
    /// The variable that holds it in every recipe.
    pub variable: Option<&'static str>,
    pub docs: &'static str,
    pub members: &'static [Member],
}

/// A property, or a method where there are `arguments`.
#[derive(Debug)]
pub struct Member {
    pub name: &'static str,
    pub kind: &'static str,
    pub arguments: Option<&'static [&'static str]>,
    pub docs: &'static str,
}

const fn property(name: &'static str, kind: &'static str, docs: &'static str) -> Member {
    Member { name, kind, arguments: None, docs }
}

const fn method(
    name: &'static str,
    arguments: &'static [&'static str],
    kind: &'static str,
    docs: &'static str,
) -> Member {
    Member { name, kind, arguments: Some(arguments), docs }
}

pub const NOUNS: &[Noun] = &[
    Noun {
        name: "App",
        variable: Some("app"),
        docs: "The application as today's files have it, its images built; or, from `release::restore`, as a release had it.",
        members: &[
            property("project", "text", "The project's name."),
            property("environment", "text", "The environment's name."),
            property("services", "list of Service", "All services and jobs, by name."),
            method("service", &["name"], "Service", "The service of this name; an error when there is none."),
            property(
                "images",
                "list of Image",
                "The images of its services, each once. The ingress's own is none of them: `image::transfer` sees to it.",
            ),
            property(
                "removed",
                "list of text",
                "Services that the hosts or the live release have, and the application has not, or has as a job only.",
            ),
            property(
                "releases",
                "list of Release",
                "The releases that are kept, the live one first, then what it came from.",
            ),
            method("release", &["which"], "Release", "The release of this number, or `\"previous\"`."),
        ],
    },
    Noun {
        name: "Services",
        variable: None,
        docs: "Any list of services has these methods too, beside those of every list (`filter`, `len`, …).",
        members: &[
            method(
                "in_order",
                &[],
                "list of Service",
                "In the order to roll them out, over all hosts: what a service depends on first; a job that runs before the \
                 rollout right after what it depends on, and before all the rest. Other jobs are left out.",
            ),
            method(
                "jobs",
                &["when"],
                "list of Service",
                "The jobs of a time: `\"before\"`, `\"after\"` or `\"manual\"`, in order.",
            ),
            method("named", &["name"], "Service", "The service of this name; an error when there is none."),
        ],
    },
    Noun {
        name: "Service",
        variable: None,
        docs: "A service of the Compose file with its settings of `stagecraft.yml`.",
        members: &[
            property("name", "text", "Its key in the Compose file."),
            property("hosts", "list of Host", "Where it runs."),
            property("replicas", "int", "Containers on each of its hosts."),
            property("image", "Image", "What it runs."),
            property("strategy", "text", "`\"rolling\"` or `\"stop-first\"`."),
            property("route", "map or ()", "`host`, `path` and `port` of its route."),
            property("is_job", "bool", "It runs and ends, instead of staying."),
            property("job", "text or ()", "When the job runs: `\"before\"`, `\"after\"` or `\"manual\"`."),
            property("depends_on", "list of text", "The names of the services it depends on."),
            property("environment", "list of text", "The names of its environment variables; values are secret."),
        ],
    },
    Noun {
        name: "Host",
        variable: None,
        docs: "A host of the environment, with what was read from it before the recipe began.",
        members: &[
            property("name", "text", "As `stagecraft.yml` calls it."),
            property("address", "text", "Its network address, or `\"local\"`."),
            property("roles", "list of text", "Its roles."),
            property("labels", "map", "Its labels."),
            property("engine", "text", "The version of its Docker engine, such as `\"28.5.2\"`."),
            property("platform", "text", "Such as `\"linux/amd64\"`."),
            property("release", "int or ()", "The number of the release that is live there."),
            property(
                "containers",
                "list of map",
                "This environment's containers: `name`, `service`, `release`, `running`, `is_job`.",
            ),
            method(
                "query",
                &["command"],
                "text",
                "Runs a shell command that only reads, now, as the SSH user, and returns what it writes to its output, without \
                 the last line break. An error when it does not end with 0 within 15 s. The answer is part of the plan. It is an \
                 error to ask a host that the plan has changed before.",
            ),
        ],
    },
    Noun {
        name: "Image",
        variable: None,
        docs: "An image by its content.",
        members: &[
            property("name", "text", "What the Compose file calls it."),
            property("digest", "text", "The digest of its config, `sha256:…`."),
            property("platform", "text", "Such as `\"linux/amd64\"`."),
        ],
    },
    Noun {
        name: "Release",
        variable: None,
        docs: "A release that is, or was, live.",
        members: &[
            property("number", "int", "Its counter."),
            property(
                "name",
                "text",
                "Counter and commit, such as `\"12 3fa9c1b+\"`; `+` marks a work tree that differed.",
            ),
            property("is_live", "bool", "It is the one that is live."),
            property("created", "text", "When it was planned, in RFC 3339, on the clock of who planned it."),
            property("author", "text", "Who planned it, `user@machine`."),
        ],
    },
    Noun {
        name: "Error",
        variable: None,
        docs: "What `catch (error)` gets when something that was asked has no answer. What the library refuses cannot be caught: \
               the recipe ends.",
        members: &[property("message", "text", "What is wrong.")],
    },
    Noun {
        name: "Results",
        variable: None,
        docs: "What the closure of `later` is given: `results[\"PATH\"]` is a list of `#{ host, output }`, one for each operation at \
               this path of the plan, or below it, that has ended. `host` is `()` for one that is on no host; what `output` is \
               depends on the operation: of `host::run` it has `stdout`. The answer of a gate has `verdict` and `output`. A path that \
               the plan does not have is an error.",
        members: &[],
    },
    Noun {
        name: "Args",
        variable: Some("args"),
        docs: "The arguments of the run: `args.NAME` is what `param(\"NAME\", …)` has declared, with the type of its declaration; a \
               duration is text.",
        members: &[],
    },
    Noun {
        name: "Facts",
        variable: Some("facts"),
        docs: "What can be asked beyond the hosts.",
        members: &[method(
            "http",
            &["url"],
            "map",
            "Asks a URL by GET, now, from this machine, and returns `status` and `body`; redirects are not followed. An error when \
             nothing answers within 10 s, and once the plan has changed something. The answer is part of the plan.",
        )],
    },
];
