//! The environment's own certificate authority.

use jiff::{Timestamp, ToSpan as _};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

use crate::{
    failure::Failure,
    model::{Authority, SecretValue},
};

/// How long a certificate is good for: the most that browsers and Apple's systems accept from an authority of one's own.
const DAYS: i64 = 800;
/// A deploy renews a certificate that has so many days left.
const RENEWED_BEFORE: i64 = 60;

/// Makes a new authority, for ten years.
pub fn generate(environment: &str) -> Result<Authority, Failure> {
    let key = KeyPair::generate().map_err(|error| broken(&error))?;
    let mut params = CertificateParams::default();
    params.distinguished_name = name(&format!("Stagecraft {environment}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    until(&mut params, Timestamp::now() + (24 * 3650).hours());
    let certificate = params.self_signed(&key).map_err(|error| broken(&error))?;
    Ok(Authority { certificate: certificate.pem(), key: SecretValue::new(key.serialize_pem()) })
}

/// A new certificate for a host name: chain and key, PEM.
pub fn issue(authority: &Authority, host: &str, expires: Timestamp) -> Result<SecretValue, Failure> {
    let signing = KeyPair::from_pem(authority.key.expose()).map_err(|error| broken(&error))?;
    let issuer = Issuer::from_ca_cert_pem(&authority.certificate, signing).map_err(|error| broken(&error))?;
    let key = KeyPair::generate().map_err(|error| broken(&error))?;
    let mut params = CertificateParams::new(vec![host.to_owned()]).map_err(|error| broken(&error))?;
    params.distinguished_name = name(host);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    until(&mut params, expires);
    let certificate = params.signed_by(&key, &issuer).map_err(|error| broken(&error))?;
    Ok(SecretValue::new(format!("{}{}{}", certificate.pem(), authority.certificate, key.serialize_pem())))
}

/// Whether a certificate that ends then is still good for long.
pub fn lasts(expires: Timestamp) -> bool {
    expires > Timestamp::now() + (RENEWED_BEFORE * 24).hours()
}

/// When a certificate that is made now ends.
pub fn expiry() -> Timestamp {
    let end = Timestamp::now() + (DAYS * 24).hours();
    // To the day: two plans of one day agree.
    Timestamp::from_second(end.as_second() / 86_400 * 86_400).expect("within the years of a timestamp")
}

fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}

/// Year, month and day of a time; certificates need no more.
fn day(time: Timestamp) -> (i32, u8, u8) {
    let day = time.to_zoned(jiff::tz::TimeZone::UTC).date();
    let small = |number: i8| u8::try_from(number).expect("months and days are above 0");
    (i32::from(day.year()), small(day.month()), small(day.day()))
}

/// Sets how long a certificate is good for; from yesterday, for clocks that go behind.
fn until(params: &mut CertificateParams, expires: Timestamp) {
    let (year, month, of_month) = day(Timestamp::now() - 24.hours());
    params.not_before = date_time_ymd(year, month, of_month);
    let (year, month, of_month) = day(expires);
    params.not_after = date_time_ymd(year, month, of_month);
}

fn broken(error: &rcgen::Error) -> Failure {
    Failure::new(format!("a certificate cannot be made: {error}"))
}

#[cfg(test)]
mod tests {
    use super::{expiry, generate, issue};

    #[test]
    fn a_certificate_comes_with_its_chain_and_key() {
        let authority = generate("shop").unwrap();
        let pem = issue(&authority, "shop.test", expiry()).unwrap();
        assert_eq!(pem.expose().matches("BEGIN CERTIFICATE").count(), 2);
        assert_eq!(pem.expose().matches("BEGIN PRIVATE KEY").count(), 1);
        assert!(pem.expose().contains(&authority.certificate));
        assert!(!pem.expose().contains(authority.key.expose()));
    }
}
