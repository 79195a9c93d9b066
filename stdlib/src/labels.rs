//! Labels that Stagecraft puts on what it makes, beside Compose's own.

pub const PROJECT: &str = "io.stagecraft.project";
pub const ENVIRONMENT: &str = "io.stagecraft.environment";
/// What a container is: [`SERVICE`](role::SERVICE), [`JOB`](role::JOB), [`STATE`](role::STATE) or [`INGRESS`](role::INGRESS).
pub const ROLE: &str = "io.stagecraft.role";
pub const SERVICE: &str = "io.stagecraft.service";
/// 1 for the first container of a service on its host.
pub const REPLICA: &str = "io.stagecraft.replica";
/// Hash of everything that decides what a container is.
pub const CONFIG: &str = "io.stagecraft.config";
/// The number of the release that it was made for.
pub const RELEASE: &str = "io.stagecraft.release";
/// The run that made it, and the key of the operation: so that "did it happen?" can be asked of the host.
pub const RUN: &str = "io.stagecraft.run";
pub const KEY: &str = "io.stagecraft.key";

pub mod role {
    pub const SERVICE: &str = "service";
    pub const JOB: &str = "job";
    pub const STATE: &str = "state";
    pub const INGRESS: &str = "ingress";
}
