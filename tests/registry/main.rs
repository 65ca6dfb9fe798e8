//! Pulls from a real registry: Debian's `docker-registry`, filled by `skopeo`.

mod client;
mod command_line;
mod login;
mod mirrors;
mod proxies;
mod pull;
mod references;
mod tls;
