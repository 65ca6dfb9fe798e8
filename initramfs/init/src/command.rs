//! Which command runs, and with which environment: Docker's rules for an image's configuration
//! and what a run overrides.

use crate::failure::{MACHINE, Result, failure};
use c2w_guest_abi::{Capabilities, ContainerConfig, Rlimit, RunRequest, Terminal};
use serde::{Deserialize, Serialize};

/// The search path of an image that sets none.
const DEFAULT_PATH: &[u8] = b"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// All that the agent needs to become the command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The program and its arguments.
    pub args: Vec<Vec<u8>>,
    /// The environment, but for `HOME`.
    pub env: Vec<Vec<u8>>,
    /// `user[:group]` when it is not the image's.
    pub user: Option<Vec<u8>>,
    /// The working directory.
    pub workdir: Vec<u8>,
    /// The host name when it is not the image's.
    pub hostname: Option<Vec<u8>>,
    /// Resource limits.
    pub rlimits: Vec<Rlimit>,
    /// A terminal, or `None` for pipes.
    pub terminal: Option<Terminal>,
    /// What its capabilities differ in from Docker's.
    pub capabilities: Capabilities,
    /// Whether it may use all that the machine has.
    pub privileged: bool,
    /// Whether its root refuses writing.
    pub read_only: bool,
    /// Whether process 1 is another.
    pub init: bool,
}

impl Command {
    /// Merges the image's configuration with the run's.
    pub fn new(config: &ContainerConfig, run: RunRequest) -> Result<Self> {
        let hostname = run.hostname.as_deref().unwrap_or(&config.hostname);
        let env = environment(&config.env, &run.env, hostname, run.terminal.is_some());
        let args = arguments(config, run.entrypoint, run.args);
        if args.is_empty() {
            return Err(failure(MACHINE, "no command specified"));
        }
        let workdir = match run.workdir.unwrap_or_else(|| config.workdir.clone()) {
            path if path.is_empty() => b"/".to_vec(),
            path => path,
        };
        if workdir[0] != b'/' {
            let path = String::from_utf8_lossy(&workdir);
            return Err(failure(
                MACHINE,
                format!(
                    "the working directory '{path}' is invalid, it needs to be an absolute path"
                ),
            ));
        }
        Ok(Self {
            args,
            env,
            user: run.user,
            workdir,
            hostname: run.hostname,
            rlimits: config.rlimits.clone(),
            terminal: run.terminal,
            capabilities: run.capabilities,
            privileged: run.privileged,
            read_only: run.read_only,
            init: run.init,
        })
    }
}

/// `Entrypoint` then `Cmd`: another entrypoint clears the image's `Cmd`, arguments replace it. An
/// entrypoint of one empty word is none.
fn arguments(
    config: &ContainerConfig,
    entrypoint: Option<Vec<Vec<u8>>>,
    args: Vec<Vec<u8>>,
) -> Vec<Vec<u8>> {
    let overridden = entrypoint.is_some();
    let mut whole = entrypoint.unwrap_or_else(|| config.entrypoint.clone());
    if matches!(&whole[..], [only] if only.is_empty()) {
        whole.clear();
    }
    if !args.is_empty() {
        whole.extend(args);
    } else if !overridden {
        whole.extend_from_slice(&config.cmd);
    }
    whole
}

/// Docker's own variables, overridden by the image's, overridden by the run's. A name alone among
/// the run's is of a variable that is not to be.
fn environment(
    image: &[Vec<u8>],
    run: &[Vec<u8>],
    hostname: &[u8],
    terminal: bool,
) -> Vec<Vec<u8>> {
    let mut env = vec![DEFAULT_PATH.to_vec(), [b"HOSTNAME=", hostname].concat()];
    if terminal {
        env.push(b"TERM=xterm".to_vec());
    }
    let is_unset = |variable: &Vec<u8>| !variable.contains(&b'=');
    for variable in image.iter().chain(run.iter().filter(|variable| !is_unset(variable))) {
        match env.iter_mut().find(|known| name(known) == name(variable)) {
            Some(known) => known.clone_from(variable),
            None => env.push(variable.clone()),
        }
    }
    let unset =
        |known: &Vec<u8>| run.iter().any(|variable| is_unset(variable) && variable == name(known));
    env.retain(|known| !unset(known));
    env
}

/// The part of `NAME=value` before the first `=`.
fn name(variable: &[u8]) -> &[u8] {
    variable.split(|&byte| byte == b'=').next().unwrap_or_default()
}

/// The value of a variable.
pub fn lookup<'a>(env: &'a [Vec<u8>], wanted: &[u8]) -> Option<&'a [u8]> {
    env.iter().find(|variable| name(variable) == wanted)?.get(wanted.len() + 1..)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Vec<u8>> {
        text.split_whitespace().map(|word| word.as_bytes().to_vec()).collect()
    }

    fn config() -> ContainerConfig {
        ContainerConfig {
            entrypoint: words("/entry -e"),
            cmd: words("default cmd"),
            hostname: b"box".to_vec(),
            ..ContainerConfig::default()
        }
    }

    fn args_of(run: RunRequest) -> Vec<Vec<u8>> {
        Command::new(&config(), run).unwrap().args
    }

    #[test]
    fn arguments_replace_cmd_and_an_entrypoint_clears_it() {
        assert_eq!(args_of(RunRequest::default()), words("/entry -e default cmd"));
        let args = words("a b");
        assert_eq!(
            args_of(RunRequest { args: args.clone(), ..RunRequest::default() }),
            words("/entry -e a b")
        );
        let entrypoint = Some(words("/other"));
        assert_eq!(
            args_of(RunRequest { entrypoint: entrypoint.clone(), ..RunRequest::default() }),
            words("/other")
        );
        assert_eq!(
            args_of(RunRequest { entrypoint, args, ..RunRequest::default() }),
            words("/other a b")
        );
    }

    #[test]
    fn an_empty_entrypoint_leaves_only_the_arguments() {
        let run = RunRequest {
            entrypoint: Some(vec![]),
            args: vec![b"x".to_vec(), vec![], b"\xff\n".to_vec()],
            ..RunRequest::default()
        };
        assert_eq!(args_of(run), [b"x".to_vec(), vec![], b"\xff\n".to_vec()]);
    }

    #[test]
    fn an_entrypoint_of_one_empty_word_is_none() {
        let args = |entrypoint: &[&str], cmd: &str, run: RunRequest| {
            let entrypoint = entrypoint.iter().map(|word| word.as_bytes().to_vec()).collect();
            let config = ContainerConfig { entrypoint, cmd: words(cmd), ..config() };
            Command::new(&config, run).map(|command| command.args)
        };
        let none = RunRequest::default;
        assert_eq!(args(&[""], "default cmd", none()).unwrap(), words("default cmd"));
        assert_eq!(args(&[], "default cmd", none()).unwrap(), words("default cmd"));
        let given = RunRequest { args: words("a b"), ..none() };
        assert_eq!(args(&[""], "default cmd", given).unwrap(), words("a b"));
        // More than one word is a command line, whose program has no name.
        assert_eq!(args(&["", "x"], "", none()).unwrap(), [b"".to_vec(), b"x".to_vec()]);
        assert!(args(&[""], "", none()).unwrap_err().message.contains("no command"));
        let cleared = RunRequest { entrypoint: Some(vec![vec![]]), ..none() };
        assert!(args(&["/entry"], "cmd", cleared).unwrap_err().message.contains("no command"));
        let empty_cmd = ContainerConfig { cmd: vec![vec![]], ..ContainerConfig::default() };
        assert_eq!(Command::new(&empty_cmd, none()).unwrap().args, [b"".to_vec()]);
    }

    #[test]
    fn nothing_to_run_and_a_relative_workdir_are_refused() {
        let none = Command::new(&ContainerConfig::default(), RunRequest::default()).unwrap_err();
        assert_eq!((none.status, none.message.as_str()), (125, "no command specified"));
        let run = RunRequest { workdir: Some(b"a/b".to_vec()), ..RunRequest::default() };
        assert!(Command::new(&config(), run).unwrap_err().message.contains("'a/b'"));
    }

    #[test]
    fn the_environment_is_overridden_by_name_in_place() {
        let env =
            environment(&words("A=1 PATH=/bin B=2"), &words("B= C=x=y HOSTNAME=h"), b"box", true);
        assert_eq!(env, words("PATH=/bin HOSTNAME=h TERM=xterm A=1 B= C=x=y"));
        assert_eq!(lookup(&env, b"C"), Some(&b"x=y"[..]));
        assert_eq!(lookup(&env, b"B"), Some(&b""[..]));
        assert_eq!(lookup(&env, b"D"), None);
        let without = environment(&words("A=1 B"), &words("A HOSTNAME C"), b"box", false);
        assert_eq!(without, [DEFAULT_PATH.to_vec(), b"B".to_vec()]);
        let plain = environment(&[], &[], b"box", false);
        assert_eq!(plain, [DEFAULT_PATH.to_vec(), b"HOSTNAME=box".to_vec()]);
    }
}
