//! The pipeline: the only module that knows every stage.
//!
//! reference → source → layers → tree → ext4 image → snapshot → wasm

use crate::boot::{self, Options as BootOptions};
use crate::ext4;
use crate::interrupt::Guard;
use crate::oci::{self, ImageConfig, ImageRef, SourceOptions};
use crate::place::Place;
use crate::plain::{self, Plain, PlainRef};
use crate::rootfs::apply::apply_layer;
use crate::rootfs::spool::Spool;
use crate::rootfs::tree::{Timestamp, Tree};
use crate::sparse::SparseWriter;
use crate::wasm::{self, Parts, Template};
use crate::{assets, timing::Timing};
use anyhow::{Context, Result};
use c2w_emulator::GuestMemory;
use c2w_guest_abi::ContainerConfig;
use c2w_session::{Outside, Session};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// What a conversion is told beside the image.
#[derive(Clone, Debug)]
pub struct Options {
    /// How to read the image.
    pub source: SourceOptions,
    /// RAM of the machine in MiB.
    pub memory_mib: u64,
    /// Shows the guest kernel's console while it boots.
    pub kernel_log: bool,
}

/// An image with its layers merged.
pub struct Rootfs {
    tree: Tree,
    spool: Spool,
    container: ContainerConfig,
    identity: Vec<u8>,
    epoch: u64,
}

/// Reads an image and merges its layers, or reads a plain root filesystem.
///
/// # Errors
/// When the image cannot be had or one of its layers is refused, or a file cannot be read.
pub fn unpack(place: &Place, source: &SourceOptions, timing: &mut Timing) -> Result<Rootfs> {
    match place {
        Place::Image(reference) => unpack_image(reference, source, timing),
        Place::Plain(reference) => unpack_plain(reference, timing),
    }
}

fn unpack_image(
    reference: &ImageRef,
    source: &SourceOptions,
    timing: &mut Timing,
) -> Result<Rootfs> {
    let image = oci::open(reference, source)?;
    timing.stage("manifest");
    let mut tree = Tree::new();
    let mut spool = Spool::new().context("cannot make a temporary file")?;
    for (number, layer) in image.layers().into_iter().enumerate() {
        let name = || format!("layer {} ({})", number + 1, layer.descriptor.digest);
        let mut reader = layer.open()?;
        let applied = apply_layer(&mut tree, &mut spool, &mut reader).with_context(name)?;
        for warning in applied.warnings {
            eprintln!("c2w: warning: {}: {warning}", name());
        }
        reader.finish().with_context(name)?;
    }
    timing.stage("layers");
    Ok(Rootfs::new(tree, spool, &image.manifest_digest, &image.config))
}

fn unpack_plain(reference: &PlainRef, timing: &mut Timing) -> Result<Rootfs> {
    let Plain { tree, spool, identity, notes } = plain::read(reference)?;
    for note in notes {
        eprintln!("c2w: warning: {note}");
    }
    timing.stage("files");
    Ok(Rootfs::new(tree, spool, &identity, &plain::config()))
}

/// The moment at which a conversion pretends to happen: `SOURCE_DATE_EPOCH`, or when the image
/// was created.
fn epoch(config: &ImageConfig) -> u64 {
    let from_environment = std::env::var("SOURCE_DATE_EPOCH").ok();
    from_environment.and_then(|text| text.parse().ok()).unwrap_or(config.created_seconds())
}

impl Rootfs {
    fn new(tree: Tree, spool: Spool, identity: &oci::digest::Digest, config: &ImageConfig) -> Self {
        // As Docker names a container after its id; this one is known by its image.
        let hostname = identity.hex().as_bytes()[..12].to_vec();
        Self {
            tree,
            spool,
            container: ContainerConfig { hostname, ..oci::guest_config(config) },
            identity: identity.to_string().into_bytes(),
            epoch: epoch(config),
        }
    }

    /// Writes the ext4 image to `out`.
    ///
    /// # Errors
    /// When the tree holds what ext4 cannot, or the image cannot be written.
    pub fn write(&self, out: &mut impl Write, timing: &mut Timing) -> Result<ext4::ImageSummary> {
        let plan = ext4::plan(&self.tree)?;
        plan.write(&self.spool, &self.ext4_options(), out)?;
        timing.stage("ext4");
        Ok(plan.summary())
    }

    fn ext4_options(&self) -> ext4::Options {
        let uuid = Sha256::digest(&self.identity)[..16].try_into().expect("16 bytes");
        let created = Timestamp { seconds: self.epoch as i64, nanoseconds: 0 };
        ext4::Options { uuid, created }
    }
}

/// Writes the root filesystem of an image to `output`, which appears only when it is whole.
///
/// # Errors
/// When the image cannot be had, one of its layers is refused, or the output cannot be written.
pub fn rootfs(
    place: &Place,
    output: &Path,
    source: &SourceOptions,
    timing: &mut Timing,
) -> Result<ext4::ImageSummary> {
    let staged = Staged::create(output)?;
    let rootfs = unpack(place, source, timing)?;
    staged.finish(|out| {
        let mut out = SparseWriter::new(out);
        let summary = rootfs.write(&mut out, timing)?;
        out.finish()?;
        Ok(summary)
    })
}

/// Makes the machine's memory with the root image in it.
fn memory(rootfs: &Rootfs, options: &Options, timing: &mut Timing) -> Result<GuestMemory> {
    let plan = ext4::plan(&rootfs.tree)?;
    let mut memory = boot::allocate(plan.summary().size, options.memory_mib)?;
    let image = memory.image();
    let target = memory.slice_mut(image.start, image.length as usize);
    let mut target = target.ok().context("the image does not fit into memory")?;
    plan.write(&rootfs.spool, &rootfs.ext4_options(), &mut target)?;
    timing.stage("ext4");
    Ok(memory)
}

/// Boots a machine with an image to the moment when its container waits for a command.
///
/// # Errors
/// When the image cannot be had, does not fit, or the container cannot be created.
pub fn prepare(place: &Place, options: &Options, timing: &mut Timing) -> Result<Session> {
    let rootfs = unpack(place, &options.source, timing)?;
    let memory = memory(&rootfs, options, timing)?;
    let boot_options = BootOptions {
        memory_mib: options.memory_mib,
        epoch: rootfs.epoch,
        seed: rootfs.identity,
        kernel_log: options.kernel_log,
    };
    let session = boot::boot(memory, rootfs.container, &boot_options, timing)?;
    timing.stage("boot");
    timing.note(boot::instructions(session.steps()));
    Ok(session)
}

/// Converts an image to a module at `output`, which appears only when it is whole.
///
/// # Errors
/// As [`prepare`], or when the output cannot be written.
pub fn convert(
    place: &Place,
    output: &Path,
    options: &Options,
    timing: &mut Timing,
) -> Result<wasm::Summary> {
    let staged = Staged::create(output)?;
    let mut session = prepare(place, options, timing)?;
    let state = session.save(&mut Silent);
    let memory = session.memory();
    let region = |region: c2w_emulator::Region| {
        memory.slice(region.start, region.length as usize).expect("a region is memory")
    };
    let parts = Parts { ram: region(memory.ram()), image: region(memory.image()), state: &state };
    let template = Template::parse(assets::RUNTIME)?;
    let summary = staged.finish(|out| Ok(wasm::package(&template, &parts, out)?))?;
    timing.stage("package");
    Ok(summary)
}

/// A world that is asked nothing: saving needs one only for the clock, which is the guest's own.
struct Silent;

impl Outside for Silent {
    fn monotonic_ns(&mut self) -> u64 {
        0
    }
    fn realtime_ns(&mut self) -> u64 {
        0
    }
    fn entropy(&mut self, _: &mut [u8]) {}
    fn output(&mut self, _: c2w_guest_abi::Stream, _: &[u8]) -> Result<(), c2w_session::Closed> {
        Ok(())
    }
}

/// A file that appears under its name only when it is complete.
struct Staged<'a> {
    file: tempfile::NamedTempFile,
    output: &'a Path,
    _interrupts: Guard,
}

impl<'a> Staged<'a> {
    /// Makes the temporary file beside the output, so that a place that cannot be written is
    /// found out before the work.
    fn create(output: &'a Path) -> Result<Self> {
        let cannot = || format!("cannot write {}", output.display());
        if output.is_dir() {
            anyhow::bail!("{}: it is a directory", cannot());
        }
        let folder = match output.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let file = tempfile::Builder::new()
            .prefix(".c2w-")
            .suffix(".tmp")
            .tempfile_in(folder)
            .with_context(cannot)?;
        let _interrupts = Guard::new(file.path());
        Ok(Self { file, output, _interrupts })
    }

    fn finish<T>(self, write: impl FnOnce(&mut BufWriter<&File>) -> Result<T>) -> Result<T> {
        let cannot = || format!("cannot write {}", self.output.display());
        let mut out = BufWriter::with_capacity(1 << 20, self.file.as_file());
        let result = write(&mut out).with_context(cannot)?;
        out.flush().with_context(cannot)?;
        drop(out);
        readable_by_all(self.file.as_file()).with_context(cannot)?;
        self.file.persist(self.output).map_err(|error| error.error).with_context(cannot)?;
        Ok(result)
    }
}

/// Gives a temporary file, which is private, the mode of any other new file.
fn readable_by_all(file: &File) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let umask = rustix::process::umask(rustix::fs::Mode::empty());
        rustix::process::umask(umask);
        file.set_permissions(std::fs::Permissions::from_mode(0o666 & !umask.bits()))?;
    }
    Ok(())
}
