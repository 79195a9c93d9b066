//! The user's own certificates: the files are read and seen to belong together before anything is deployed.

use std::{fs, ops::Range, path::Path};

use rustls::{
    crypto::ring::sign::any_supported_type,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    sign::CertifiedKey,
};
use stdlib::model::SecretValue;

use super::{
    findings::Findings,
    shape::{Given, Setting},
    values::OwnCertificate,
};

/// Reads chain and key as one PEM text. `key` is the place of `tls`.
pub fn read(
    own: &OwnCertificate,
    place: &Range<usize>,
    directory: &Path,
    findings: &mut Findings,
) -> Option<SecretValue> {
    let chain = file(&own.cert, directory, findings);
    let key = file(&own.key, directory, findings);
    let (chain, cert_place) = chain?;
    let (key, key_place) = key?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain.as_bytes()).collect();
    let certificates = certificates.ok().filter(|certificates| !certificates.is_empty());
    if certificates.is_none() {
        findings
            .error(&cert_place, "the file is not a certificate chain in PEM form")
            .help("it begins with `-----BEGIN CERTIFICATE-----`");
    }
    let private = PrivateKeyDer::from_pem_slice(key.as_bytes()).ok().and_then(|key| any_supported_type(&key).ok());
    if private.is_none() {
        findings
            .error(&key_place, "the file is not a private key in PEM form")
            .help("it begins with `-----BEGIN PRIVATE KEY-----` and has no passphrase");
    }
    match CertifiedKey::new(certificates?, private?).keys_match() {
        Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) => {
            findings
                .error(place, "the private key is not the certificate's")
                .help("the chain begins with the certificate of the key");
            return None;
        }
        Err(rustls::Error::InvalidCertificate(error)) => {
            findings.error(&cert_place, format!("the certificate cannot be read: {error:?}"));
            return None;
        }
        // Some keys cannot say what their public half is.
        Ok(()) | Err(_) => {}
    }
    Some(SecretValue::new(format!("{}\n{}\n", chain.trim_end(), key.trim_end())))
}

fn file(setting: &Setting<String>, directory: &Path, findings: &mut Findings) -> Option<(String, Range<usize>)> {
    let Given { value: path, span, .. } = setting.given()?;
    match fs::read_to_string(directory.join(path)) {
        Ok(text) => Some((text, span.clone())),
        Err(error) => {
            findings.error(span, format!("{path} cannot be read: {error}")).help("paths count from stagecraft.yml");
            None
        }
    }
}
