//! `c2w net-helper`.

use super::complain;
use super::usage::usage;
use crate::network::helper::{self, Served};
use anyhow::Result;
use c2w_session::options::{self, PublishedPort};
use clap::Args;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Args)]
pub(super) struct NetHelper {
    /// The directory, which the runtime maps for a module's --network dir=; made if there is none.
    #[arg(required_unless_present = "connect")]
    directory: Option<PathBuf>,
    /// In place of a directory, connect to HOST:PORT or unix:PATH, where a runtime listens for a
    /// module's --network socket.
    #[arg(long, value_name = "PEER", conflicts_with = "directory")]
    connect: Option<OsString>,
    /// Pass connections to PORT of IP (127.0.0.1) on to the container's AT; also PORT-PORT:AT-AT,
    /// and AT/udp.
    #[arg(short, long, value_name = "[[IP:]PORT:]AT", allow_hyphen_values = true)]
    publish: Vec<OsString>,
    /// Let containers reach this host's loopback at their gateway, 10.0.2.2, which is what
    /// --add-host NAME:host-gateway gives a name.
    #[arg(long)]
    host_gateway: bool,
    /// Say nothing but errors.
    #[arg(short, long)]
    quiet: bool,
    /// What runs the container: the helper ends with it, and with its status.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Serves containers; gives the exit status.
pub(super) fn run(arguments: &NetHelper) -> Result<ExitCode> {
    let options = helper::Options {
        served: arguments.served()?,
        publish: arguments.ports()?,
        host_gateway: arguments.host_gateway,
        command: arguments.command.clone(),
    };
    let note = |text: &str| {
        if !arguments.quiet {
            complain(&format_args!("note: {text}"));
        }
    };
    let status = helper::serve(&options, &note)?;
    Ok(ExitCode::from(status))
}

impl NetHelper {
    fn served(&self) -> Result<Served> {
        match (&self.connect, &self.directory) {
            (Some(peer), _) => {
                let parsed = options::peer(peer.as_bytes()).map(Served::Peer);
                let peer = peer.display();
                parsed.ok_or_else(|| usage!("--connect {peer}: write HOST:PORT or unix:PATH"))
            }
            (None, directory) => Ok(Served::Directory(directory.clone().unwrap_or_default())),
        }
    }

    fn ports(&self) -> Result<Vec<PublishedPort>> {
        let ports = self.publish.iter().map(|port| options::publish(port.as_bytes()));
        let ports: Result<Vec<_>, _> = ports.collect();
        Ok(ports.map_err(|error| usage!("{}", error.0))?.concat())
    }
}
