//! WASI runtimes that people have, found on this machine: each runs the cases of all engines.
//!
//! Looked for in the folders of `C2W_RUNTIMES`, where `scripts/install-runtimes.sh` puts what it
//! gets, and in `PATH`; `C2W_RUNTIME_NAMES` can say which ones. `docs/runtimes.md` tells their
//! users what is written here.

use crate::container::Surroundings;
use crate::engine::Directory;
use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// A runtime's command line.
pub struct Runtime {
    /// What the docs call it.
    pub name: &'static str,
    /// The programs it needs; the first one runs modules.
    programs: &'static [&'static str],
    /// Whether it runs components in place of modules.
    pub component: bool,
    /// How modules are compiled ahead of time, and the ending of what comes of it.
    compile: Option<Compile>,
    /// What comes before all other arguments.
    run: &'static [&'static str],
    /// The option that sets an environment variable; its value is a word of its own unless the
    /// option ends with `=`.
    variable: &'static str,
    /// The option that maps a directory, in the same way; empty where there is none.
    directory: &'static str,
    /// What it takes, with HOST and GUEST replaced, and what is appended for a read-only one.
    mapping: &'static str,
    read_only: &'static str,
    /// The option by which it listens for the module; empty where there is none.
    pub listen: &'static str,
    /// Statuses from here on, the runtime turns into 1 and a message of its own.
    refused_status: i32,
    pub sigpipe: Sigpipe,
    /// Cases that fail, and why.
    known: &'static [Known],
}

/// What a runtime does with SIGPIPE.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sigpipe {
    /// The module is told that nobody reads.
    Ignored,
    /// It dies, like most programs, unless it was started with the signal ignored.
    Default,
    /// It dies even then, as every program in Go, and wasmer's SDK in our example.
    Dies,
}

/// The words `MODULE`, `COMPILED` and `CACHE` are replaced.
struct Compile {
    line: &'static [&'static str],
    extension: &'static str,
}

const NEVER: i32 = 256;

/// A case that fails, and why.
type Known = (&'static str, &'static str);

const NO_READ_ONLY: Known = ("shared_read_only", "no option for read-only directories");

const OWN_STREAMS: &str = "Python fails at standard streams that do";

const NO_TERMINAL: &str = "wasmer's SDK hands on no terminal";

const NONBLOCKING_OUTPUT: Known = (
    "nonblocking_output",
    "wasmtime gives an output up that does not block and takes nothing for the moment",
);

/// Why a case is known to fail with the crate wasmtime.
pub fn crate_known_failure(case: &str) -> Option<&'static str> {
    (case == NONBLOCKING_OUTPUT.0).then_some(NONBLOCKING_OUTPUT.1)
}

/// All cases that are known to fail somewhere.
pub fn known_failures() -> impl Iterator<Item = &'static str> {
    let known = RUNTIMES.iter().flat_map(|runtime| runtime.known);
    known.chain([&NONBLOCKING_OUTPUT]).map(|(case, _)| *case)
}

const WAMR_KNOWN: &[Known] = &[
    NO_READ_ONLY,
    ("shared_links", "WAMR calls a link to an absolute path a bad descriptor, and makes none"),
    ("terminal_cooked", "WAMR says the same of a terminal and of any other device"),
    ("terminal_raw", "WAMR says the same of a terminal and of any other device"),
];

const IWASM: Runtime = Runtime {
    name: "iwasm",
    programs: &["iwasm"],
    component: false,
    compile: None,
    run: &[],
    variable: "--env=",
    directory: "--map-dir=",
    mapping: "GUEST::HOST",
    read_only: "",
    listen: "",
    refused_status: NEVER,
    sigpipe: Sigpipe::Default,
    known: WAMR_KNOWN,
};

const WASMTIME: Runtime = Runtime {
    name: "wasmtime",
    programs: &["wasmtime"],
    component: false,
    compile: Some(Compile {
        line: &["wasmtime", "compile", "MODULE", "-o", "COMPILED"],
        extension: "cwasm",
    }),
    run: &["run", "--allow-precompiled"],
    variable: "--env",
    directory: "--dir",
    mapping: "HOST::GUEST",
    read_only: "",
    listen: "",
    refused_status: 126,
    sigpipe: Sigpipe::Ignored,
    known: &[NONBLOCKING_OUTPUT, NO_READ_ONLY],
};

static RUNTIMES: [Runtime; 8] = [
    WASMTIME,
    Runtime {
        name: "wasmtime-component",
        component: true,
        run: &["run", "--allow-precompiled", "-S", "inherit-network,allow-ip-name-lookup"],
        refused_status: NEVER,
        ..WASMTIME
    },
    Runtime {
        name: "wazero",
        programs: &["wazero"],
        component: false,
        compile: None,
        run: &["run", "-cachedir", "CACHE"],
        variable: "-env",
        directory: "-mount",
        mapping: "HOST:GUEST",
        read_only: ":ro",
        listen: "-listen",
        refused_status: NEVER,
        sigpipe: Sigpipe::Dies,
        known: &[(
            "shared_links",
            "wazero sets the times of what a symbolic link leads to, not of the link",
        )],
    },
    Runtime {
        name: "wasmedge",
        programs: &["wasmedge"],
        component: false,
        compile: Some(Compile {
            line: &["wasmedge", "compile", "MODULE", "COMPILED"],
            extension: "so",
        }),
        run: &["--run-mode", "aot"],
        variable: "--env",
        directory: "--dir",
        mapping: "GUEST:HOST",
        read_only: ":readonly",
        listen: "",
        refused_status: NEVER,
        sigpipe: Sigpipe::Default,
        known: &[("shared_a_place_that_goes_up", "WasmEdge takes `..` out of the name itself")],
    },
    Runtime {
        name: "node",
        programs: &["node"],
        component: false,
        compile: None,
        run: &["--no-warnings", "NODE_WASI"],
        variable: "--env",
        directory: "--dir",
        mapping: "HOST::GUEST",
        read_only: "",
        listen: "",
        refused_status: NEVER,
        sigpipe: Sigpipe::Ignored,
        known: &[NO_READ_ONLY],
    },
    IWASM,
    Runtime {
        name: "iwasm-aot",
        programs: &["iwasm", "wamrc"],
        compile: Some(Compile { line: &["wamrc", "-o", "COMPILED", "MODULE"], extension: "aot" }),
        ..IWASM
    },
    Runtime {
        name: "wasmer",
        // Python with wasmer's SDK.
        programs: &["wasmer-python"],
        component: false,
        compile: None,
        run: &["WASMER_SDK"],
        variable: "--env",
        directory: "",
        mapping: "",
        read_only: "",
        listen: "",
        refused_status: NEVER,
        sigpipe: Sigpipe::Dies,
        known: &[
            ("terminal_cooked", NO_TERMINAL),
            ("terminal_raw", NO_TERMINAL),
            ("stdin_fails", OWN_STREAMS),
            ("stdin_fails_and_the_command", OWN_STREAMS),
            ("output_fails", OWN_STREAMS),
            ("error_output_fails", OWN_STREAMS),
            ("tty_output_fails", OWN_STREAMS),
            ("tty_output_fails_with_init", OWN_STREAMS),
        ],
    },
];

impl Runtime {
    /// Those that are wanted: the words of `C2W_RUNTIME_NAMES`, if there is such a variable.
    fn wanted() -> impl Iterator<Item = &'static Self> {
        let names = env::var("C2W_RUNTIME_NAMES").ok();
        let wanted = move |name| match &names {
            Some(names) => names.split_whitespace().any(|word| word == name),
            None => true,
        };
        RUNTIMES.iter().filter(move |runtime| wanted(runtime.name))
    }

    /// Those that are on this machine.
    pub fn found() -> impl Iterator<Item = &'static Self> {
        Self::wanted().filter(|runtime| runtime.missing().is_none())
    }

    /// Those that are not, each with the program that is missing.
    pub fn not_found() -> impl Iterator<Item = (&'static str, &'static str)> {
        Self::wanted().filter_map(|runtime| Some((runtime.name, runtime.missing()?)))
    }

    fn missing(&self) -> Option<&'static str> {
        self.programs.iter().copied().find(|program| find(program).is_none())
    }

    /// Whether it has an option for directories.
    pub fn maps_directories(&self) -> bool {
        !self.directory.is_empty()
    }

    /// Why a case is known to fail.
    pub fn known_failure(&self, case: &str) -> Option<&'static str> {
        if self.directory.is_empty() && case.starts_with("shared_") {
            return Some("no option for directories");
        }
        self.known.iter().find(|(name, _)| *name == case).map(|(_, cause)| *cause)
    }

    /// The status that a command's one is seen as from outside.
    pub fn status(&self, status: i32) -> i32 {
        if status < self.refused_status { status } else { 1 }
    }

    /// What a module's run begins with.
    pub fn command(&self, module: &Path, surroundings: Surroundings<'_>) -> Command {
        let prepared = self.prepared(module);
        let mut command = program(self.programs[0]);
        command.args(self.run.iter().map(|word| self.word(word, module)));
        for (name, value) in surroundings.variables {
            command.args(option(self.variable, format!("{name}={value}")));
        }
        for directory in surroundings.directories {
            command.args(option(self.directory, self.mapping(directory)));
        }
        if let Some(address) = surroundings.listen {
            command.args(option(self.listen, address.into()));
        }
        command.arg(prepared);
        command
    }

    fn mapping(&self, directory: &Directory<'_>) -> String {
        let host = directory.host.to_str().expect("UTF-8");
        let suffix = if directory.read_only { self.read_only } else { "" };
        self.mapping.replace("HOST", host).replace("GUEST", directory.guest) + suffix
    }

    /// The module, or what this runtime's compiler made of it, once for each test process.
    fn prepared(&self, module: &Path) -> PathBuf {
        static DONE: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
        let Some(Compile { line, .. }) = &self.compile else { return module.into() };
        let compiled = self.compiled(module);
        let mut done = DONE.lock().expect("no compiler has failed");
        if done.insert(compiled.clone()) {
            let mut command = program(line[0]);
            command.args(line[1..].iter().map(|word| self.word(word, module)));
            let output = command.output().expect("it was found");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{command:?}: {said}");
        }
        compiled
    }

    fn compiled(&self, module: &Path) -> PathBuf {
        let extension = self.compile.as_ref().map_or("wasm", |compile| compile.extension);
        module.with_extension(format!("{}.{extension}", self.name))
    }

    fn word(&self, word: &str, module: &Path) -> OsString {
        match word {
            "MODULE" => module.into(),
            "COMPILED" => self.compiled(module).into(),
            "CACHE" => module.with_extension(format!("{}-cache", self.name)).into(),
            "NODE_WASI" => concat!(env!("CARGO_MANIFEST_DIR"), "/examples/node-wasi.mjs").into(),
            "WASMER_SDK" => concat!(env!("CARGO_MANIFEST_DIR"), "/examples/wasmer-sdk.py").into(),
            word => word.into(),
        }
    }
}

/// An option as words: two, unless it ends with `=`.
fn option(option: &str, value: String) -> Vec<String> {
    match option.ends_with('=') {
        true => vec![format!("{option}{value}")],
        false => vec![option.into(), value],
    }
}

fn program(name: &str) -> Command {
    Command::new(find(name).unwrap_or_else(|| panic!("{name} was there a moment ago")))
}

/// Where a program is, if anywhere.
pub fn find(program: &str) -> Option<PathBuf> {
    let variable = |name| env::var_os(name).unwrap_or_default();
    let folders = [variable("C2W_RUNTIMES"), installed().into(), variable("PATH")];
    let folders: Vec<PathBuf> = folders.iter().flat_map(env::split_paths).collect();
    folders.iter().map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// Where `scripts/install-runtimes.sh` puts programs.
fn installed() -> PathBuf {
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(".cache");
    cache.unwrap_or_else(home).join("c2w/runtimes/bin")
}
