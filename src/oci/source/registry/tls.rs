//! TLS configuration: trusted authorities and the client's certificate.

use super::certs_d::Certificates;
use super::environment::variable;
use crate::oci::ErrorKind;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use std::sync::Arc;

/// TLS towards one registry. Without `verify` any certificate will do.
pub(super) fn config(verify: bool, own: Certificates) -> Result<ClientConfig, ErrorKind> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Verifier::new(verify, own.authorities, &provider)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ErrorKind::Certificates(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    match own.client {
        None => Ok(builder.with_no_client_auth()),
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(|error| {
            ErrorKind::Certificates(format!("client certificate and key: {error}"))
        }),
    }
}

/// Checks a server's certificate as rustls does, and accepts one more: a self-signed one that is
/// itself among the registry's own authorities. `openssl req -x509` marks such a certificate as an
/// authority, which may not be a server's.
#[derive(Debug)]
struct Verifier {
    /// `None` proves nothing.
    authorities: Option<Arc<WebPkiServerVerifier>>,
    own: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn new(
        verify: bool,
        own: Vec<CertificateDer<'static>>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, ErrorKind> {
        let fail = |reason: String| ErrorKind::Certificates(reason);
        let mut authorities = None;
        if verify {
            let mut roots = public_roots()?;
            for certificate in &own {
                roots.add(certificate.clone()).map_err(|error| fail(error.to_string()))?;
            }
            let builder =
                WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone());
            authorities = Some(builder.build().map_err(|error| fail(error.to_string()))?);
        }
        Ok(Self { authorities, own, provider: provider.clone() })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(authorities) = &self.authorities else {
            return Ok(ServerCertVerified::assertion());
        };
        let proved = authorities.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match proved {
            // An authority as a server; an expired one has an error of its own.
            Err(Error::InvalidCertificate(CertificateError::Other(_)))
                if self.own.iter().any(|own| own.as_ref() == end_entity.as_ref()) =>
            {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            proved => proved,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The system's authorities, or those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name; Mozilla's where
/// a system has none.
fn public_roots() -> Result<RootCertStore, ErrorKind> {
    let native = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // One odd certificate in the system's store must not spoil the rest.
    roots.add_parsable_certificates(native.certs);
    if !roots.is_empty() {
        return Ok(roots);
    }
    for name in ["SSL_CERT_FILE", "SSL_CERT_DIR"] {
        if let Some(path) = variable(name) {
            let error = native.errors.first().map(|error| format!(" ({error})"));
            let error = error.unwrap_or_default();
            let path = path.display();
            let reason = format!("{name} {path} holds no usable certificate{error}");
            return Err(ErrorKind::Certificates(reason));
        }
    }
    roots.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::pem::PemObject;
    use std::time::Duration;

    /// Made by `openssl req -x509 -days 30 -addext subjectAltName=DNS:registry.test`.
    const SELF_SIGNED: &[u8] = b"\
-----BEGIN CERTIFICATE-----\n\
MIIBjTCCATOgAwIBAgIUIc8DOY3v2c2+U0bb6AbYZlHWkqAwCgYIKoZIzj0EAwIw\n\
DzENMAsGA1UEAwwEc2VsZjAeFw0yNjExMjMwMjExNDhaFw0yNjEyMjMwMjExNDha\n\
MA8xDTALBgNVBAMMBHNlbGYwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQxpkT4\n\
rywit/GC3PkjxOFzOG43gPLFymDqjOElhPiZC1sKH7H95hD62ezgQZZj9gG7SOYX\n\
rO2SzSLzNCyHONIAo20wazAdBgNVHQ4EFgQUrCqfAAp6HQulUN/W7y/ww+ju97Uw\n\
HwYDVR0jBBgwFoAUrCqfAAp6HQulUN/W7y/ww+ju97UwDwYDVR0TAQH/BAUwAwEB\n\
/zAYBgNVHREEETAPgg1yZWdpc3RyeS50ZXN0MAoGCCqGSM49BAMCA0gAMEUCIQCA\n\
pL7J96kKXYkoDFz5wQB2HFefShjwsbZ39VNkZtzsGgIgDkctMi7pteHVpcxJJy2E\n\
t+6tfUYIq04Qm7nM21b/Sqs=\n\
-----END CERTIFICATE-----\n";

    /// The second from which on it is valid.
    const START: u64 = 1_795_399_908;

    fn verify(own: &[CertificateDer<'static>], name: &str, day: u64) -> Result<(), Error> {
        let provider = Arc::new(ring::default_provider());
        let verifier = Verifier::new(true, own.to_vec(), &provider).unwrap();
        let server = CertificateDer::from_pem_slice(SELF_SIGNED).unwrap();
        let name = ServerName::try_from(name).unwrap();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(START + day * 86400));
        verifier.verify_server_cert(&server, &[], &name, &[], now).map(drop)
    }

    #[test]
    fn a_certificate_that_signed_itself_is_good_for_its_name_and_time() {
        use CertificateError::{ExpiredContext, NotValidForNameContext};
        let own = [CertificateDer::from_pem_slice(SELF_SIGNED).unwrap()];
        verify(&own, "registry.test", 1).unwrap();
        let error = |own, name, day| match verify(own, name, day) {
            Err(Error::InvalidCertificate(error)) => error,
            other => panic!("{other:?}"),
        };
        assert!(matches!(error(&own, "registry.test", 31), ExpiredContext { .. }));
        assert!(matches!(error(&own, "other.test", 1), NotValidForNameContext { .. }));
        assert!(verify(&[], "registry.test", 1).is_err());
    }
}
