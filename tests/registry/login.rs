//! Credentials, from wherever they come, and what registries do with them.

use super::client::{
    Client, anonymous, assert_same_as_layout, auth_json, client, error_of, fixture, open,
    pull_in_child, pulled,
};
use crate::docker_registry::{ACCOUNT, DockerRegistry, Guard};
use crate::token_server::{self, IDENTITY_TOKEN, Proof};
use base64::{Engine, prelude::BASE64_STANDARD};
use c2w::oci::{ErrorKind, UserPassword};
use std::fs;
use std::process::Command;

fn with_creds(user: &str, password: &str) -> Client {
    let mut client = anonymous();
    client.options.creds = Some(UserPassword { user: user.into(), password: password.into() });
    client
}

#[test]
fn a_password_opens_the_registry() {
    let registry = DockerRegistry::start(Guard::Password);
    let host = &registry.host;
    registry.push(&fixture("rich"), "latest", "private/rich:v1");
    let name = format!("{host}/private/rich:v1");

    let error = error_of(&name, &anonymous());
    assert!(matches!(error.kind, ErrorKind::Unauthorized { .. }), "{error}");
    assert!(error.to_string().contains("log in with"), "{error}");

    let (user, password) = ACCOUNT;
    for wrong in [client(&auth_json(host, user, "guess")), with_creds(user, "guess")] {
        let error = error_of(&name, &wrong);
        assert!(matches!(error.kind, ErrorKind::Unauthorized { .. }), "{error}");
        assert!(error.to_string().contains("are not accepted"), "{error}");
        assert!(!error.to_string().contains("guess"), "{error}");
    }

    let image = open(&name, &client(&auth_json(host, user, password))).unwrap();
    assert_same_as_layout(&image, "rich");
    // podman keeps credentials for parts of a registry, too.
    let part = format!("{host}/private");
    assert_same_as_layout(
        &open(&name, &client(&auth_json(&part, user, password))).unwrap(),
        "rich",
    );
    let other = format!("{host}/public");
    assert!(open(&name, &client(&auth_json(&other, user, password))).is_err());

    // The command line wins.
    let mut both = client(&auth_json(host, user, "guess"));
    both.options.creds = with_creds(user, password).options.creds;
    assert_same_as_layout(&open(&name, &both).unwrap(), "rich");
}

#[test]
fn credentials_on_the_command_line() {
    let parse = |text: &str| text.parse::<UserPassword>();
    let pair = |user: &str, password: &str| {
        Ok(UserPassword { user: user.into(), password: password.into() })
    };
    assert_eq!(parse("a:b:c"), pair("a", "b:c"));
    assert_eq!(parse("a:"), pair("a", ""));
    assert_eq!(parse("a"), pair("a", ""));
    assert!(parse("").is_err() && parse(":b").is_err());
    assert!(!format!("{:?}", parse("a:secret")).contains("secret"));
}

#[test]
fn a_credential_helper_is_asked() {
    let registry = DockerRegistry::start(Guard::Password);
    registry.push(&fixture("ok-gz"), "latest", "a:v1");
    let host = &registry.host;
    let (user, password) = ACCOUNT;
    let good = |key: &str| {
        format!(
            "read -r key; [ \"$1 $key\" = 'get {key}' ] && echo '{{\"Username\":\"{user}\",\
             \"Secret\":\"{password}\"}}'"
        )
    };
    let for_host = format!(r#"{{"credHelpers":{{"{host}":"c2wtest"}}}}"#);
    let for_one = format!(r#"{{"credHelpers":{{"{host}/a":"c2wtest"}}}}"#);
    let for_all = r#"{"credsStore":"c2wtest"}"#;
    let helper = |config: &str, body: &str| in_helper_path(host, config, body);
    let expected = pulled("ok-gz");
    assert!(helper(&for_host, &good(host)).contains(&expected));
    assert!(helper(&for_one, &good(&format!("{host}/a"))).contains(&expected));
    assert!(helper(for_all, &good(host)).contains(&expected));

    let nothing = "echo 'credentials not found in native keychain'; exit 1";
    let said = helper(&for_host, nothing);
    assert!(said.contains("log in with"), "{said}");
    // A store without an answer leaves it to the file.
    let auth = BASE64_STANDARD.encode(format!("{user}:{password}"));
    let both = format!(r#"{{"credsStore":"c2wtest","auths":{{"{host}":{{"auth":"{auth}"}}}}}}"#);
    assert!(helper(&both, nothing).contains(&expected));
    let broken = helper(&for_host, "echo no keyring; exit 1");
    assert!(broken.contains("docker-credential-c2wtest failed: no keyring"), "{broken}");
}

/// Pulls from `host` with this config.json, and `script` as the helper; gives what was said.
fn in_helper_path(host: &str, config: &str, script: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("docker-credential-c2wtest");
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    let made = Command::new("chmod").arg("+x").arg(&program).status().unwrap();
    assert!(made.success());
    fs::write(dir.path().join("config.json"), config).unwrap();
    let path = format!("{}:{}", dir.path().display(), std::env::var("PATH").unwrap());
    pull_in_child(&format!("{host}/a:v1"), |command| {
        command.env("DOCKER_CONFIG", dir.path()).env("PATH", path)
    })
}

#[test]
fn the_environment_names_credentials() {
    let registry = DockerRegistry::start(Guard::Password);
    registry.push(&fixture("ok-gz"), "latest", "a:v1");
    let dir = tempfile::tempdir().unwrap();
    let (user, password) = ACCOUNT;
    let right = auth_json(&registry.host, user, password);
    let wrong = auth_json(&registry.host, user, "guess");
    for (name, json) in [("right", &right), ("wrong", &wrong)] {
        let dir = dir.path().join(name);
        fs::create_dir_all(dir.join("containers")).unwrap();
        fs::write(dir.join("containers/auth.json"), json).unwrap();
        fs::write(dir.join("config.json"), json).unwrap();
    }
    let (right, wrong) = (dir.path().join("right"), dir.path().join("wrong"));
    let (name, expected) = (format!("{}/a:v1", registry.host), pulled("ok-gz"));
    // Each comes before all that follow it.
    let order = ["REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DOCKER_CONFIG"];
    for first in 0..order.len() {
        let said = pull_in_child(&name, |command| {
            for (index, variable) in order.iter().enumerate().skip(first) {
                let dir = if index == first { &right } else { &wrong };
                let file = dir.join("config.json");
                command.env(variable, if index == 0 { &file } else { dir });
            }
            command
        });
        assert!(said.contains(&expected), "{}: {said}", order[first]);
    }
    let said = pull_in_child(&name, |command| command.env("REGISTRY_AUTH_FILE", "/nowhere"));
    assert!(said.contains("cannot get credentials: /nowhere"), "{said}");
}

#[test]
fn docker_registry_takes_our_tokens() {
    for proof in [Proof::Any, Proof::GetOnly] {
        let (realm, signer, tokens, _authority) = token_server::start(proof);
        let registry = DockerRegistry::start(Guard::Tokens { realm, signer });
        registry.push(&fixture("rich"), "latest", "team/rich:v1");
        let name = format!("{}/team/rich:v1", registry.host);

        let error = error_of(&name, &anonymous());
        assert!(matches!(error.kind, ErrorKind::Unauthorized { .. }), "{error}");
        let (user, password) = ACCOUNT;
        let error = error_of(&name, &with_creds(user, "guess"));
        assert!(error.to_string().contains("are not accepted"), "{error}");

        let before = tokens.seen().len();
        assert_same_as_layout(&open(&name, &with_creds(user, password)).unwrap(), "rich");
        // One token does for all requests.
        let asked = &tokens.seen()[before..];
        assert_eq!(asked.len(), 1, "{asked:?}");
        let path = "/token?scope=repository%3Ateam%2Frich%3Apull&service=test+registry";
        assert_eq!((asked[0].method.as_str(), asked[0].path.as_str()), ("GET", path));

        let auth = BASE64_STANDARD.encode(format!("{user}:"));
        let identity = format!(
            r#"{{"auths":{{"{}":{{"auth":"{auth}","identitytoken":"{IDENTITY_TOKEN}"}}}}}}"#,
            registry.host
        );
        let before = tokens.seen().len();
        assert_same_as_layout(&open(&name, &client(&identity)).unwrap(), "rich");
        let methods: Vec<_> =
            tokens.seen()[before..].iter().map(|request| request.method.clone()).collect();
        let expected: &[_] = if proof == Proof::Any { &["POST"] } else { &["POST", "GET"] };
        assert_eq!(methods, expected);
    }
}
