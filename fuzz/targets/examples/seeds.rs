//! Writes inputs that random bytes hardly come to: `cargo run -p c2w-fuzz-targets --example seeds
//! -- FOLDER` makes FOLDER/TARGET/NAME.

use c2w_fuzz_targets::{TARGETS, noise, snapshot};
use c2w_guest_abi::{ContainerConfig, Failure, FromGuest, RunRequest, ToGuest, frame};
use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let folder = env::args().nth(1).expect("a folder");
    let write = |target: &str, name: usize, bytes: &[u8]| {
        let folder = Path::new(&folder).join(target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(format!("seed-{name:02}")), bytes)
    };
    for (name, state) in snapshot::guest().1.iter().enumerate() {
        // Every option in turn, before the state.
        write("snapshot", name, &[&[name as u8], state.as_slice()].concat())?;
    }
    for (name, messages) in conversations().iter().enumerate() {
        // No pieces, no flood.
        write("guest_abi", name, &[&[0, 0], messages.concat().as_slice()].concat())?;
    }
    // The others make sense of any bytes.
    for (target, _) in TARGETS.iter().filter(|(name, _)| !["snapshot", "guest_abi"].contains(name))
    {
        for name in 0..40 {
            write(target, name, &noise(name as u64 + 1, 100 * (name + 1)))?;
        }
    }
    Ok(())
}

fn conversations() -> Vec<Vec<Vec<u8>>> {
    let said = |messages: &[FromGuest]| messages.iter().map(encode).collect();
    let failure = Failure { status: 127, message: "sh: not found".into() };
    let request = RunRequest {
        args: vec![b"sh".to_vec(), b"-c".to_vec(), vec![]],
        env: vec![b"A=b".to_vec()],
        ..RunRequest::default()
    };
    let config = ContainerConfig { cmd: vec![b"sh".to_vec()], ..ContainerConfig::default() };
    vec![
        said(&[FromGuest::Hello, FromGuest::Ready, FromGuest::StdinClosed, FromGuest::Exited(7)]),
        said(&[FromGuest::Hello, FromGuest::Failed(failure)]),
        vec![encode(&ToGuest::Create(config)), encode(&ToGuest::Run(request))],
        vec![encode(&ToGuest::StdinEof)],
    ]
}

fn encode<T: serde::Serialize>(message: &T) -> Vec<u8> {
    frame::encode(message).expect("a short message")
}
