//! Which certificates a service's route needs, and where they come from.

use super::{authority, fragment::Certificate};
use crate::{
    failure::Failure,
    model::{SecretValue, Service, Tls},
    operation::{Context, Result},
};

/// The certificate that the service's route should have; one that is there and lasts is kept.
pub fn wanted(service: &Service, there: Option<&Certificate>) -> Option<Certificate> {
    match &service.route.as_ref()?.tls {
        Tls::Off => None,
        Tls::Own { pem } => Some(Certificate::Own { pem: pem.clone() }),
        Tls::Internal => Some(match there {
            Some(Certificate::Internal { expires }) if authority::lasts(*expires) => {
                Certificate::Internal { expires: *expires }
            }
            _ => Certificate::Internal { expires: authority::expiry() },
        }),
    }
}

/// Chain and key, PEM.
pub fn pem(cx: &Context, host: &str, certificate: &Certificate) -> Result<SecretValue> {
    match certificate {
        Certificate::Internal { expires } => authority::issue(&cx.identity.authority, host, *expires),
        Certificate::Own { .. } => cx.values.files.get(&format!("tls/{host}")).cloned().ok_or_else(|| {
            Failure::new(format!("the certificate of {host} is not among the release's values"))
                .hint("deploy anew from the project's files")
        }),
    }
}
