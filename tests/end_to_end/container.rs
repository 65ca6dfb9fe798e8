//! A converted image and the ways to run it.

use crate::engine::{self, Directory, Driver};
use crate::runtimes::{self, Runtime, Sigpipe};
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// The program under test.
pub const C2W: &str = env!("CARGO_BIN_EXE_c2w");

/// What executes the machine.
#[derive(Clone, Copy)]
pub enum Engine {
    /// `c2w run` of the module: no WebAssembly engine.
    Native,
    /// `c2w run` of the image, which boots it first. From there on it is the same code, so that a
    /// part of the cases is enough.
    Image,
    /// The module, under the crate wasmtime.
    Wasi(Driver),
    /// The module, under a program of this machine.
    Runtime(&'static Runtime),
}

impl Engine {
    /// What most users have.
    pub const COMMAND: Self = Self::Wasi(Driver::Command);

    /// For how standard input is read where it cannot be polled.
    pub const UNPOLLED: Self = Self::Wasi(Driver::Unpolled);

    /// For how a terminal is told from what a runtime takes for one.
    pub const DEVICES: Self = Self::Wasi(Driver::Devices);

    /// For what a module does when an embedder calls it while it runs.
    pub const REENTRANT: Self = Self::Wasi(Driver::Reentrant);

    /// The component, under the crate wasmtime.
    pub const COMPONENT: Self = Self::Wasi(Driver::Component);

    /// Those that are on every machine.
    pub const BUILT_IN: [Self; 4] =
        [Self::Native, Self::COMMAND, Self::Wasi(Driver::Stepwise), Self::COMPONENT];

    /// All of them.
    pub fn all() -> Vec<Self> {
        Self::BUILT_IN.into_iter().chain(Runtime::found().map(Self::Runtime)).collect()
    }

    /// Those that run components.
    pub fn components() -> Vec<Self> {
        let components = Runtime::found().filter(|runtime| runtime.component);
        [Self::COMPONENT].into_iter().chain(components.map(Self::Runtime)).collect()
    }

    /// Those that hand variables on to the module.
    pub fn wasi() -> Vec<Self> {
        Self::all().into_iter().filter(|engine| !matches!(engine, Self::Native)).collect()
    }

    /// Those in which a module is a program like any other.
    pub fn commands() -> Vec<Self> {
        let stepwise = |engine: &Self| matches!(engine, Self::Wasi(Driver::Stepwise));
        Self::wasi().into_iter().filter(|engine| !stepwise(engine)).collect()
    }

    /// The status that a command's one is seen as from outside.
    pub fn status(self, status: i32) -> i32 {
        match self {
            Self::Runtime(runtime) => runtime.status(status),
            Self::Native | Self::Image | Self::Wasi(_) => status,
        }
    }

    /// What becomes of SIGPIPE.
    pub fn sigpipe(self) -> Sigpipe {
        match self {
            Self::Runtime(runtime) => runtime.sigpipe,
            Self::Native | Self::Image | Self::Wasi(_) => Sigpipe::Ignored,
        }
    }

    /// Why a case is not run on this engine, if it is known to fail there.
    pub fn known_failure(self, case: &str) -> Option<&'static str> {
        match self {
            Self::Native | Self::Image => None,
            Self::Wasi(_) => runtimes::crate_known_failure(case),
            Self::Runtime(runtime) => runtime.known_failure(case),
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Native => f.write_str("native"),
            Self::Image => f.write_str("image"),
            Self::Wasi(driver) => f.write_str(driver.name()),
            Self::Runtime(runtime) => f.write_str(runtime.name),
        }
    }
}

/// What a run is given from outside, apart from its streams.
#[derive(Clone, Copy, Default)]
pub struct Surroundings<'a> {
    pub variables: &'a [(&'a str, &'a str)],
    pub directories: &'a [Directory<'a>],
    /// Where the runtime listens for the module.
    pub listen: Option<&'a str>,
}

/// An image, its module, and the module compiled.
pub struct Container {
    reference: String,
    /// Those of the conversion.
    options: Vec<String>,
    pub module: PathBuf,
    compiled: PathBuf,
    /// The same as a component, made when it is first asked for.
    component: OnceLock<PathBuf>,
    /// What the conversion said.
    pub said: String,
}

impl Container {
    /// The layout in `examples/busybox`, converted once for all tests.
    pub fn busybox() -> &'static Self {
        static BUSYBOX: OnceLock<Container> = OnceLock::new();
        BUSYBOX.get_or_init(|| Self::convert(busybox_reference(), "busybox"))
    }

    /// Converts an image to `name` in this test's folder.
    pub fn convert(reference: String, name: &str) -> Self {
        Self::convert_with(reference, name, &[])
    }

    /// The same, with options.
    pub fn convert_with(reference: String, name: &str, options: &[&str]) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let (module, compiled) = (
            folder.join(format!("end_to_end-{name}.wasm")),
            folder.join(format!("end_to_end-{name}.cwasm")),
        );
        let options: Vec<String> = options.iter().map(|&option| option.into()).collect();
        let said = convert(&options, &reference, &module);
        engine::compile(&module, &compiled);
        Self { reference, options, module, compiled, component: OnceLock::new(), said }
    }

    /// The image as a component; beside it, with the ending `cwasm`, what it was compiled to.
    pub fn component(&self) -> &Path {
        self.component.get_or_init(|| {
            let component = self.module.with_extension("component.wasm");
            let target = ["--target=wasip2".to_owned()];
            convert(&[&self.options[..], &target].concat(), &self.reference, &component);
            engine::compile_component(&component, &component.with_extension("cwasm"));
            component
        })
    }

    /// The same with other bytes in the module, as `name`.
    pub fn altered(&self, name: &str, alter: impl FnOnce(&mut [u8])) -> Self {
        let mut bytes = std::fs::read(&self.module).expect("the module is there");
        alter(&mut bytes);
        let module = self.module.with_file_name(format!("end_to_end-{name}.wasm"));
        std::fs::write(&module, bytes).expect("it is written");
        let compiled = module.with_extension("cwasm");
        engine::compile(&module, &compiled);
        Self {
            reference: self.reference.clone(),
            options: self.options.clone(),
            module,
            compiled,
            component: OnceLock::new(),
            said: self.said.clone(),
        }
    }

    /// A run of the container, with no environment but the engine's own.
    pub fn command(&self, engine: Engine, arguments: &[impl AsRef<OsStr>]) -> Command {
        self.command_in(engine, Surroundings::default(), arguments)
    }

    /// The same, with directories of the host in the container.
    pub fn command_with(
        &self,
        engine: Engine,
        directories: &[Directory<'_>],
        arguments: &[impl AsRef<OsStr>],
    ) -> Command {
        self.command_in(engine, Surroundings { directories, ..Surroundings::default() }, arguments)
    }

    /// The same, with environment variables too.
    pub fn command_in(
        &self,
        engine: Engine,
        surroundings: Surroundings<'_>,
        arguments: &[impl AsRef<OsStr>],
    ) -> Command {
        let Surroundings { variables, directories, .. } = surroundings;
        let mut command = match engine {
            Engine::Native | Engine::Image => {
                let mut command = Command::new(C2W);
                command.arg("run");
                for directory in directories {
                    let Directory { host, guest, read_only } = directory;
                    let host = host.display();
                    match read_only {
                        true => command.arg(format!("--volume={host}:{guest}:ro")),
                        false => command.arg(format!("--dir={host}::{guest}")),
                    };
                }
                match engine {
                    Engine::Image => command.arg(&self.reference),
                    _ => command.arg(&self.module),
                };
                command.arg("--");
                command
            }
            Engine::Wasi(driver) => {
                let this = std::env::current_exe().expect("the engine's own path");
                let mut command = Command::new(this);
                let compiled = match driver {
                    Driver::Component => self.component().with_extension("cwasm"),
                    _ => self.compiled.clone(),
                };
                command.arg(engine::FLAG).arg(compiled).arg(driver.name());
                command.arg(directories.len().to_string());
                command.args(directories.iter().map(Directory::argument));
                command
            }
            Engine::Runtime(runtime) if runtime.component => {
                runtime.command(self.component(), surroundings)
            }
            Engine::Runtime(runtime) => runtime.command(&self.module, surroundings),
        };
        command.args(arguments).env_clear().envs(variables.iter().copied());
        command
    }

    /// What a command prints that must succeed quietly, with an empty standard input.
    pub fn stdout(&self, engine: Engine, arguments: &[impl AsRef<OsStr>]) -> String {
        let output = crate::process::run(&mut self.command(engine, arguments), b"");
        assert_success(&output);
        String::from_utf8(output.stdout).expect("UTF-8")
    }
}

/// Converts an image; gives what was said.
fn convert(options: &[String], reference: &str, output: &Path) -> String {
    let output = Command::new(C2W).args(options).arg(reference).arg(output).output();
    let output = output.expect("c2w runs");
    let said = text(&output.stderr);
    assert!(output.status.success(), "{reference}: {}: {said}", output.status);
    said
}

/// `oci:` and the folder of the example.
pub fn busybox_reference() -> String {
    format!("oci:{}/examples/busybox", env!("CARGO_MANIFEST_DIR"))
}

/// Status 0 and nothing on standard error.
pub fn assert_success(output: &Output) {
    let said = text(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{}: {said}", output.status);
}

/// Bytes for a message to people.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
