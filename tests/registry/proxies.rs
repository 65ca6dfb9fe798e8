//! Proxies that the environment names.

use super::client::{fixture, pull_in_child, pulled};
use crate::docker_registry::{DockerRegistry, Guard};
use crate::proxy::Proxy;
use base64::{Engine, prelude::BASE64_STANDARD};
use std::path::Path;
use std::process::Command;

/// No name server knows it: only a proxy leads there.
const NAME: &str = "registry.test/a:v1";

fn start(guard: Guard) -> DockerRegistry {
    let registry = DockerRegistry::start(guard);
    registry.push(&fixture("rich"), "latest", "a:v1");
    registry
}

fn pull(variables: &[(&str, &str)], cert_dir: &Path) -> String {
    pull_in_child(NAME, |command: &mut Command| {
        command.envs(variables.iter().copied()).env("C2W_TEST_CERT_DIR", cert_dir)
    })
}

#[test]
fn tls_goes_through_a_tunnel() {
    let registry = start(Guard::Tls);
    let (dir, expected) = (registry.cert_dir(), pulled("rich"));
    for variable in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        let proxy = Proxy::http(&registry.host);
        let said = pull(&[(variable, &proxy.url("http", ""))], dir.path());
        assert!(said.contains(&expected), "{variable}: {said}");
        let seen = proxy.seen();
        let connect = "CONNECT registry.test:443 HTTP/1.1";
        assert!(!seen.is_empty() && seen.iter().all(|line| line == connect), "{seen:?}");
    }
}

#[test]
fn a_proxy_may_want_a_password() {
    let registry = start(Guard::Tls);
    let proxy = Proxy::http(&registry.host);
    let said =
        pull(&[("HTTPS_PROXY", &proxy.url("http", "me:p%40ss@"))], registry.cert_dir().path());
    assert!(said.contains(&pulled("rich")), "{said}");
    let sent = format!("basic {}", BASE64_STANDARD.encode("me:p@ss"));
    let seen = proxy.seen();
    assert!(
        seen.iter().any(|line| line.to_lowercase().ends_with(&sent.to_lowercase())),
        "{seen:?}"
    );
}

#[test]
fn a_proxy_may_speak_tls_itself() {
    let registry = start(Guard::Tls);
    let (certificate, key) = registry.issue("proxy");
    let proxy = Proxy::https(&registry.host, (&certificate, &key));
    let said = pull(&[("HTTPS_PROXY", &proxy.url("https", ""))], registry.cert_dir().path());
    assert!(said.contains(&pulled("rich")), "{said}");
    let (seen, connect) = (proxy.seen(), "CONNECT registry.test:443 HTTP/1.1");
    assert!(!seen.is_empty() && seen.iter().all(|line| line == connect), "{seen:?}");
}

#[test]
fn plain_http_goes_through_a_proxy() {
    let registry = start(Guard::Open);
    let proxy = Proxy::http(&registry.host);
    let url = proxy.url("http", "");
    let said = pull_in_child(NAME, |command| {
        command.env("HTTP_PROXY", &url).env("HTTPS_PROXY", &url).env("C2W_TEST_TLS_VERIFY", "false")
    });
    assert!(said.contains(&pulled("rich")), "{said}");
    let seen = proxy.seen();
    assert!(
        seen.contains(&"GET http://registry.test/v2/a/manifests/v1 HTTP/1.1".into()),
        "{seen:?}"
    );

    // Without a word about TLS, never.
    let said =
        pull_in_child(NAME, |command| command.env("HTTP_PROXY", &url).env("HTTPS_PROXY", &url));
    assert!(said.contains("cannot reach registry.test") || said.contains("no secure"), "{said}");
}

#[test]
fn socks_proxies_resolve_names() {
    let registry = start(Guard::Tls);
    let (dir, proxy) = (registry.cert_dir(), Proxy::socks(&registry.host));
    let said = pull(&[("ALL_PROXY", &proxy.url("socks5h", ""))], dir.path());
    assert!(said.contains(&pulled("rich")), "{said}");
    let seen = proxy.seen();
    let target = "SOCKS registry.test:443";
    assert!(!seen.is_empty() && seen.iter().all(|line| line == target), "{seen:?}");
}

#[test]
fn some_hosts_need_no_proxy() {
    let registry = start(Guard::Tls);
    let (dir, proxy) = (registry.cert_dir(), Proxy::http(&registry.host));
    for (variable, value) in [("NO_PROXY", "test"), ("no_proxy", "other.test, .registry.test")] {
        let said = pull(&[("HTTPS_PROXY", &proxy.url("http", "")), (variable, value)], dir.path());
        assert!(said.contains("cannot reach registry.test"), "{variable}: {said}");
    }
    // This machine is never asked through a proxy.
    let name = format!("{}/a:v1", registry.host);
    let url = proxy.url("http", "");
    let said = pull_in_child(&name, |command| {
        command.env("ALL_PROXY", &url).env("C2W_TEST_CERT_DIR", dir.path())
    });
    assert!(said.contains(&pulled("rich")), "{said}");
    assert!(proxy.seen().is_empty());
}

#[test]
fn a_proxy_that_is_none_is_not_passed_over() {
    for (variable, value) in [
        ("HTTPS_PROXY", "gopher://proxy.test"),
        ("https_proxy", "http://user:secret@"),
        ("ALL_PROXY", "http://[secret"),
    ] {
        let said = pull(&[(variable, value)], Path::new("/"));
        let expected = format!("{variable}: no address of a proxy");
        assert!(said.contains(&expected) && !said.contains("secret"), "{value}: {said}");
    }
}
