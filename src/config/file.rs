//! The keys of stagecraft.yml. The comments are what an editor shows.

use serde_json::Value;
use stdlib::model::{IngressProvider, JobTime, ProjectName, Span, Strategy};

use super::{
    shape::settings,
    values::{Count, HowTransferred, Port, Table, Tls, Version, Words},
};

settings! {
    /// What runs where. The Compose files beside it say what a service is.
    File requires [version = "1", project = "NAME"] {
        /// The version of this format: 1.
        version: Version,
        /// Names the Compose project on the hosts, the releases and the state.
        project: ProjectName,
        /// The Compose files, relative to this file. By default those that `docker compose` itself would take.
        compose: Words,
        /// The Compose profiles that are on.
        profiles: Words,
        /// The machines. By default one, `local`: the engine of this machine.
        hosts: Table<Host>,
        /// The host whose record of the current release decides. By default the first.
        state: String,
        /// Where the project runs. By default there is one environment, `default`.
        environments: Table<Environment>,
        /// Settings of the Compose services. A service that is not named here runs on all hosts.
        services: Table<Service>,
        /// How images reach the hosts.
        images: Images,
        /// What takes requests in on each host that has routes.
        ingress: Ingress,
        /// Releases kept for rollback on each host. By default 5.
        retain: Count,
        /// Recipes bound to arguments and an environment, under a name.
        pipelines: Table<Pipeline>,
    }
}

settings! {
    /// A machine with a Docker engine.
    Host requires [address = "HOST"] {
        /// Its name or IP address for SSH, or `local` for the engine of this machine.
        address: String,
        /// The SSH user. This and the next four are otherwise decided by your own SSH configuration.
        user: String,
        /// The SSH port.
        port: Port,
        /// The private key file.
        identity: String,
        /// The file of known host keys.
        known_hosts: String,
        /// A jump host, `[user@]host[:port]`.
        jump: String,
        /// What it is for; services are placed by role.
        roles: Words,
        /// Free labels, for recipes to choose hosts by.
        labels: Table<String>,
    }
}

settings! {
    /// One place where the project runs.
    Environment requires [] {
        /// Files of variables for interpolation in the Compose files, relative to stagecraft.yml.
        env_files: Words,
        /// The Compose profiles that are on, instead of the file's.
        profiles: Words,
        /// Its own hosts, instead of the file's.
        hosts: Table<Host>,
        /// The host whose record of the current release decides.
        state: String,
        /// Settings of services that differ here; what is not given is as for all environments.
        services: Table<Service>,
    }
}

settings! {
    /// How a Compose service runs.
    Service requires [] {
        /// A role, a host, or a list of them. By default all hosts.
        on: Words,
        /// Containers on each of its hosts. By default Compose's `deploy.replicas`, or 1.
        replicas: Count,
        /// Where its requests come in.
        route: Route,
        /// When a new container counts as ready.
        health: Health,
        /// How its containers are replaced.
        rollout: Rollout,
        /// It runs and ends, instead of staying: once per release before or after the rollout, or only by hand.
        job: JobTime,
    }
}

settings! {
    /// Where requests come in.
    Route requires [] {
        /// The host name of the requests.
        host: String,
        /// The path they begin with, by whole segments. By default `/`.
        path: String,
        /// The port that the container listens on.
        port: Port,
        /// `internal`: a certificate of the environment's own CA; `off`: plain HTTP; or `{ cert, key }`. The default, `auto`,
        /// is not available yet.
        tls: Tls,
    }
}

settings! {
    /// When a new container counts as ready, and how the ingress watches it afterwards.
    Health requires [] {
        /// Asked for by HTTP at the route's port; 2xx and 3xx pass. By default the Compose health check decides.
        path: String,
        /// Between checks once it is ready. By default 1s.
        interval: Span,
        /// How long one check may take. By default 5s.
        timeout: Span,
        /// Passes in a row that make it ready. By default 2.
        passes: Count,
    }
}

settings! {
    /// How containers are replaced.
    Rollout requires [] {
        /// `rolling`, the default: the new container runs before the old one goes. `stop-first`: the old one ends before
        /// the new one starts, for what cannot run twice.
        strategy: Strategy,
        /// How long old containers may take to finish the requests they have. By default 30s.
        drain: Span,
        /// How long a new container may take until it is ready. By default 60s.
        timeout: Span,
        /// How long the new containers are watched before the release is committed. By default 0s.
        bake: Span,
    }
}

settings! {
    /// How images reach the hosts.
    Images requires [] {
        /// `direct`, the default: over SSH, without a registry. `registry`: pushed once, pulled by digest.
        transfer: HowTransferred,
        /// Where `transfer: registry` pushes to and hosts pull from, such as `registry.example.com/shop`.
        registry: String,
    }
}

settings! {
    /// What takes requests in.
    Ingress requires [] {
        /// `haproxy`, the default, or `none`: the application brings its own, and there are no routes.
        provider: IngressProvider,
        /// The proxy's image. By default `haproxy:3.2`.
        image: String,
        /// The port for HTTP. By default 80.
        http: Port,
        /// The port for HTTPS. By default 443.
        https: Port,
    }
}

settings! {
    /// A recipe bound to arguments and an environment.
    Pipeline requires [recipe = "deploy"] {
        /// A recipe's name, or a `.rhai` file relative to stagecraft.yml.
        recipe: String,
        /// The environment it runs in; not needed when there is only one.
        environment: String,
        /// The recipe's arguments.
        args: Table<Value>,
    }
}
