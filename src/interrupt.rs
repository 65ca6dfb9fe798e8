//! Signals to this program. Ctrl-C and termination leave no half-written file and no unusable
//! terminal behind; while a container runs, its command gets them first.

use rustix::termios::{OptionalActions, Termios, tcsetattr};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::iterator::{Handle, Signals};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

/// What ends this program when nothing else is to be done with it.
pub const ENDING: [i32; 3] = [SIGHUP, SIGINT, SIGTERM];
/// What else concerns a container.
const OTHERS: [i32; 4] = [SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH];

/// What a signal has to undo, by number.
static UNFINISHED: Mutex<Vec<(u64, Undo)>> = Mutex::new(Vec::new());
static NEXT: AtomicU64 = AtomicU64::new(0);

enum Undo {
    /// A file or a folder.
    Remove(PathBuf),
    /// Settings of the terminal on standard input.
    Reset(Box<Termios>),
}

impl Undo {
    fn execute(self) {
        // An error cannot be reported any more.
        let _ = match self {
            Self::Remove(path) if path.is_dir() => std::fs::remove_dir_all(path),
            Self::Remove(path) => std::fs::remove_file(path),
            Self::Reset(settings) => reset(&settings),
        };
    }
}

fn reset(settings: &Termios) -> io::Result<()> {
    tcsetattr(io::stdin(), OptionalActions::Drain, settings).map_err(Into::into)
}

/// While it lives, an interrupt undoes something before it ends the program.
pub struct Guard(u64);

impl Guard {
    /// Watches over a file or a folder, which its owner removes.
    pub fn new(path: &Path) -> Self {
        Self::watch(Undo::Remove(path.to_path_buf()))
    }

    /// Watches over the terminal on standard input, which its owner resets.
    pub fn terminal(settings: Termios) -> Self {
        Self::watch(Undo::Reset(Box::new(settings)))
    }

    fn watch(undo: Undo) -> Self {
        let number = NEXT.fetch_add(1, Relaxed);
        unfinished().push((number, undo));
        // Without a handler a signal ends the program as well, just not as cleanly.
        let _ = listen();
        Self(number)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        unfinished().retain(|(number, _)| *number != self.0);
    }
}

fn unfinished() -> MutexGuard<'static, Vec<(u64, Undo)>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The signals that this program gets, while it lives. The second that is to end it does.
pub struct Received(UnixStream);

/// Whether all signals are passed on, the second that is to end the program, too.
static ALL: AtomicBool = AtomicBool::new(false);

/// Where signals go instead of ending the program.
static RECEIVER: Mutex<Option<UnixStream>> = Mutex::new(None);

impl Received {
    /// Listens from now on.
    ///
    /// # Errors
    /// When signals cannot be handled.
    pub fn listen() -> io::Result<Self> {
        let (heard, told) = UnixStream::pair()?;
        heard.set_nonblocking(true)?;
        *receiver() = Some(told);
        let handle = listen()?;
        OTHERS.into_iter().try_for_each(|signal| handle.add_signal(signal))?;
        Ok(Self(heard))
    }

    /// The same, for a program that ends by itself when it is told to: it gets all signals.
    ///
    /// # Errors
    /// When signals cannot be handled.
    pub fn listen_to_all() -> io::Result<Self> {
        ALL.store(true, Relaxed);
        Self::listen()
    }

    /// Readable when there is a signal.
    pub fn stream(&self) -> &UnixStream {
        &self.0
    }

    /// The next signal, if there is one.
    pub fn next(&mut self) -> Option<i32> {
        let mut number = [0];
        let heard = self.0.read(&mut number).is_ok_and(|length| length > 0);
        heard.then(|| i32::from(number[0]))
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        *receiver() = None;
    }
}

fn receiver() -> MutexGuard<'static, Option<UnixStream>> {
    RECEIVER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the thread that waits for signals, once.
fn listen() -> io::Result<&'static Handle> {
    static LISTENER: OnceLock<Handle> = OnceLock::new();
    if let Some(handle) = LISTENER.get() {
        return Ok(handle);
    }
    let mut signals = Signals::new(ENDING)?;
    let handle = signals.handle();
    thread::Builder::new().name("signals".into()).spawn(move || {
        let mut asked = false;
        for signal in signals.forever() {
            let ending = ENDING.contains(&signal);
            let told = match &mut *receiver() {
                Some(receiver) if ALL.load(Relaxed) || !(asked && ending) => {
                    receiver.write_all(&[signal as u8]).is_ok()
                }
                _ => false,
            };
            asked |= ending;
            if ending && !told {
                end(signal);
            }
        }
    })?;
    Ok(LISTENER.get_or_init(|| handle))
}

/// Ends the program as a shell reports one that a signal has ended.
fn end(signal: i32) -> ! {
    unfinished().drain(..).for_each(|(_, undo)| undo.execute());
    std::process::exit(128 + signal);
}
