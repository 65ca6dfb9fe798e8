//! Pulls from a real registry: Debian's `docker-registry`, filled by `skopeo`.

#[path = "../support/docker_registry.rs"]
mod docker_registry;
#[path = "../support/faulty_server.rs"]
mod faulty_server;
#[path = "../support/proxy.rs"]
mod proxy;
#[path = "../support/tars.rs"]
mod tars;
#[path = "../support/token_server.rs"]
mod token_server;

mod client;
mod command_line;
mod login;
mod mirrors;
mod proxies;
mod pull;
mod references;
mod tls;
