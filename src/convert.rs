//! The pipeline: the only module that knows every stage.
//!
//! reference → source → layers → tree → ext4 image → snapshot → wasm

use crate::assets::Assets;
use crate::boot::{self, BootOptions};
use crate::emulator_disk::EmulatorDisk;
use crate::ext4;
use crate::image_source::ImageSource;
use crate::local;
use crate::oci::{self, ImageConfig, ImageRef, Platform, SourceOptions};
use crate::progress::{self, Progress, Stage};
use crate::rootfs::apply::apply_layer;
use crate::rootfs::spool::Spool;
use crate::rootfs::tree::{Timestamp, Tree};
use crate::rootfs_source::{self, Contents, RootfsRef};
use crate::size;
use crate::space::{self, Space};
use crate::sparse::SparseWriter;
use crate::staged::Staged;
use crate::target::{Execution, UserEmulator};
use crate::timing::Timing;
use crate::train::{self, Snapshot, TrainingResult};
use crate::units::{Compress, FileUnits, UnitFile, UnitWriter, Written};
use crate::wasi_target::WasiTarget;
use crate::wasm::{self, Parts, Provenance, Template};
use anyhow::{Context, Result, ensure};
use c2w_emulator::GuestMemory;
use c2w_guest_abi::ContainerConfig;
use c2w_session::{Session, SessionHost, options};
use sha2::{Digest, Sha256};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

/// The most bytes of a root image that are in memory at once, unless asked otherwise.
pub const DEFAULT_IMAGE_CACHE: u64 = 1 << 30;

/// Options of a conversion.
#[derive(Clone, Debug)]
pub struct Options {
    /// How to read the image.
    pub source: SourceOptions,
    /// RAM of the machine in MiB.
    pub memory_mib: u64,
    /// Shows the guest kernel's console while it boots: messages more urgent than this level.
    pub kernel_log: Option<u8>,
    /// Kernel, initramfs and runtime.
    pub assets: Assets,
    /// The WASI that a module is for.
    pub wasi: WasiTarget,
    /// What to translate.
    pub translation: train::Options,
    /// How a module's memory and root image are compressed.
    pub compress: Compress,
    /// The most bytes of the root image that are in memory at once.
    pub image_cache: u64,
    /// Hears how far the work is.
    pub progress: Arc<dyn Progress>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            source: SourceOptions::default(),
            memory_mib: boot::DEFAULT_MEMORY_MIB,
            kernel_log: None,
            assets: Assets::default(),
            wasi: WasiTarget::default(),
            translation: train::Options::default(),
            compress: Compress::default(),
            image_cache: DEFAULT_IMAGE_CACHE,
            progress: Arc::new(progress::Silent),
        }
    }
}

/// An image with its layers merged.
pub struct Rootfs {
    tree: Tree,
    spool: Spool,
    container: ContainerConfig,
    /// What it says that it runs on, and by what that is executed here.
    platform: Platform,
    execution: Execution,
    digest: String,
    /// The image's name in a registry, if a layout or an archive says so.
    name: Option<String>,
    /// `ExposedPorts` of its configuration.
    exposed_ports: Vec<String>,
    epoch: u64,
}

/// Reads an image and merges its layers, or reads a bare root filesystem. If the root image may
/// have `limit` bytes at most, reading ends where its files cannot fit any more.
///
/// # Errors
/// When the image cannot be had or one of its layers is refused, or a file cannot be read.
pub fn unpack(
    image: &ImageSource,
    source: &SourceOptions,
    limit: Option<u64>,
    progress: &Arc<dyn Progress>,
    timing: &mut Timing,
) -> Result<Rootfs> {
    let spool = Spool::new()?.for_image_of(limit);
    match image {
        ImageSource::Image(reference) => unpack_image(reference, source, spool, progress, timing),
        ImageSource::Rootfs(reference) => {
            unpack_rootfs(reference, source, spool, progress.as_ref(), timing)
        }
    }
}

fn unpack_image(
    reference: &ImageRef,
    source: &SourceOptions,
    mut spool: Spool,
    progress: &Arc<dyn Progress>,
    timing: &mut Timing,
) -> Result<Rootfs> {
    progress.stage(Stage::Manifest);
    let image = oci::open_with_progress(reference, source, progress)
        .map_err(|error| local::with_hint(reference, error))?;
    timing.stage("manifest");
    let execution = image.platform.execution()?;
    let mut tree = Tree::new();
    let layers = image.layers();
    let of = layers.len();
    for (number, layer) in layers.into_iter().enumerate() {
        progress.stage(Stage::Layer { number: number + 1, of });
        let name = || format!("layer {} ({})", number + 1, layer.descriptor.digest);
        let mut reader = layer.open()?;
        let applied =
            apply_layer(&mut tree, &mut spool, &ext4::LIMITS, &mut reader).with_context(name)?;
        for warning in applied.warnings {
            progress.warning(&format_args!("{}: {warning}", name()));
        }
        reader.finish().with_context(name)?;
    }
    timing.stage("layers");
    let name = image.name_inside().map(str::to_owned);
    let config = ImageConfig { platform: image.platform.clone(), ..image.config.clone() };
    Ok(Rootfs { name, ..Rootfs::new(tree, spool, &image.manifest_digest, &config, execution) })
}

fn unpack_rootfs(
    reference: &RootfsRef,
    source: &SourceOptions,
    spool: Spool,
    progress: &dyn Progress,
    timing: &mut Timing,
) -> Result<Rootfs> {
    progress.stage(Stage::Files);
    let Contents { tree, spool, digest, notes } =
        rootfs_source::read(reference, spool, &ext4::LIMITS)?;
    for note in notes {
        progress.warning(&note);
    }
    timing.stage("files");
    let platform = rootfs_platform(&tree, &spool, &source.platforms)?;
    let execution = platform.execution()?;
    Ok(Rootfs::new(tree, spool, &digest, &rootfs_source::config(platform), execution))
}

/// The first of the wanted platforms, unless its programs are those of another one of them.
fn rootfs_platform(tree: &Tree, spool: &Spool, wanted: &[Platform]) -> Result<Platform> {
    let found = rootfs_source::architecture(tree, spool).context("cannot read a temporary file")?;
    let found =
        found.map(Platform::of).filter(|found| wanted.iter().any(|want| want.accepts(found)));
    found.or_else(|| wanted.first().cloned()).context("no platform is wanted")
}

/// The ports that an image exposes, of those the ones that can be published: as many as any program
/// listens on, so that the section that says where a module comes from stays short.
fn exposed_ports(config: &ImageConfig) -> Vec<String> {
    const MOST: usize = 1024;
    const LONGEST: usize = "65535-65535/tcp".len();
    let can_be = |text: &&String| text.len() <= LONGEST && !options::exposed_ports(text).is_empty();
    config.run.exposed_ports.iter().filter(can_be).take(MOST).cloned().collect()
}

/// What it means for a user that an image is emulated.
fn emulated(platform: &Platform, emulator: UserEmulator) -> String {
    format!(
        "{platform} is emulated by {}: its programs run 10 to 90 times slower than those of \
             a linux/riscv64 image",
        emulator.program
    )
}

/// The moment at which a conversion pretends to happen: `SOURCE_DATE_EPOCH`, or when the image
/// was created.
fn epoch(config: &ImageConfig) -> u64 {
    let from_environment = std::env::var("SOURCE_DATE_EPOCH").ok();
    from_environment.and_then(|text| text.parse().ok()).unwrap_or(config.created_seconds())
}

impl Rootfs {
    fn new(
        tree: Tree,
        spool: Spool,
        digest: &oci::digest::Digest,
        config: &ImageConfig,
        execution: Execution,
    ) -> Self {
        // As Docker names a container after its id; this one is known by its image.
        let hostname = digest.hex().as_bytes()[..12].to_vec();
        Self {
            tree,
            spool,
            container: ContainerConfig {
                hostname,
                emulator: execution.emulator.map(|emulator| emulator.format()),
                cpuinfo: execution.emulator.map_or("", |emulator| emulator.cpuinfo()).into(),
                ..oci::guest_config(config)
            },
            platform: config.platform.clone(),
            execution,
            digest: digest.to_string(),
            name: None,
            exposed_ports: exposed_ports(config),
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
        let uuid = Sha256::digest(&self.digest)[..16].try_into().expect("16 bytes");
        let created = Timestamp { seconds: self.epoch as i64, nanoseconds: 0 };
        ext4::Options { uuid, created }
    }
}

/// Writes the root filesystem of an image to `output` ([`Staged`]).
///
/// # Errors
/// When the image cannot be had, one of its layers is refused, or the output cannot be written.
pub fn rootfs(
    image: &ImageSource,
    output: &Path,
    source: &SourceOptions,
    progress: &Arc<dyn Progress>,
    timing: &mut Timing,
) -> Result<ext4::ImageSummary> {
    let staged = Staged::create(output, image.reads())?;
    let rootfs = unpack(image, source, None, progress, timing)?;
    progress.stage(Stage::Ext4);
    let takes_holes = staged.takes_holes();
    staged.finish(|out| {
        if !takes_holes {
            return rootfs.write(out, timing);
        }
        let mut out = SparseWriter::new(out);
        let summary = rootfs.write(&mut out, timing)?;
        out.finish()?;
        Ok(summary)
    })
}

/// A machine whose container waits for its command, and what it was made of.
pub struct Prepared {
    /// The machine.
    pub session: Session,
    /// The image region, and how much of it is the root image's.
    pub disks: Disks,
    /// What the image says that it runs on.
    pub platform: Platform,
    /// Digest of the image's manifest, or of the bare root filesystem.
    pub digest: String,
    /// The image's name in a registry, if a layout or an archive says so.
    pub name: Option<String>,
    /// The ports that it says its programs listen on: `80/tcp`.
    pub exposed_ports: Vec<String>,
    /// What it was booted with.
    pub boot: BootOptions,
}

/// What is in the image region of a machine.
pub struct Disks {
    /// The size of each disk in bytes; the root image is the first.
    sizes: Vec<u64>,
    units: UnitFile,
    /// How much of it is the root image.
    root: Written,
}

/// Makes the root image, and behind that the disk of an emulator if it needs one.
fn disks(
    rootfs: &Rootfs,
    options: &Options,
    compress: Option<Compress>,
    timing: &mut Timing,
) -> Result<Disks> {
    let progress = &options.progress;
    progress.stage(Stage::Ext4);
    let emulator = rootfs.execution.emulator;
    let emulator = emulator
        .map(|emulator| EmulatorDisk::new(emulator, options.assets.emulators()))
        .transpose()
        .context("the archive of emulators cannot be read")?;
    let plan = ext4::plan(&rootfs.tree)?;
    let emulator =
        emulator.as_ref().map(|disk| disk.plan().map(|plan| (disk, plan))).transpose()?;
    let mut sizes = vec![boot::disk_size(plan.summary().size)];
    sizes.extend(emulator.as_ref().map(|(_, plan)| boot::disk_size(plan.summary().size)));
    let size = sizes.iter().fold(0, |sum: u64, disk| sum.saturating_add(*disk));
    space::check(size, options.memory_mib)?;
    // What nobody keeps is not worth packing, but an index ends at 4 GiB.
    let unkept = if size > u32::MAX.into() { Compress::Fast } else { Compress::None };
    let mut units = UnitWriter::for_image(compress.unwrap_or(unkept))?;
    plan.write(&rootfs.spool, &rootfs.ext4_options(), &mut units)?;
    let root = units.fill_to(sizes[0])?;
    if let Some((disk, plan)) = emulator {
        disk.write(&plan, &mut units)?;
        units.fill_to(size)?;
    }
    timing.stage("ext4");
    Ok(Disks { sizes, units: units.finish()?, root })
}

impl Disks {
    /// Bytes of all.
    fn size(&self) -> u64 {
        self.sizes.iter().sum()
    }

    /// What is in them, for the memory of a machine.
    ///
    /// # Errors
    /// When the temporary file that they are in cannot be opened again.
    pub fn source(&self) -> io::Result<FileUnits> {
        self.units.source("root image")
    }
}

/// Boots a machine with an image to the moment when its container waits for a command.
///
/// # Errors
/// When the image cannot be had, does not fit, or the container cannot be created.
pub fn prepare(image: &ImageSource, options: &Options, timing: &mut Timing) -> Result<Prepared> {
    prepare_in(Space::native(), image, options, None, timing)
}

fn prepare_in(
    space: Space,
    image: &ImageSource,
    options: &Options,
    compress: Option<Compress>,
    timing: &mut Timing,
) -> Result<Prepared> {
    let rootfs =
        unpack(image, &options.source, Some(space::IMAGE_LIMIT), &options.progress, timing)?;
    if let Some(emulator) = rootfs.execution.emulator {
        options.progress.note(&emulated(&rootfs.platform, emulator));
    }
    let disks = disks(&rootfs, options, compress, timing)?;
    let target = rootfs.execution.target;
    let cache = space.image_cache(options.image_cache, options.memory_mib);
    let mut memory = boot::allocate(target, disks.size(), options.memory_mib, cache)?;
    memory.set_image_source(Box::new(disks.source()?));
    options.progress.stage(Stage::Boot);
    let boot_options = BootOptions {
        execution: rootfs.execution,
        memory_mib: options.memory_mib,
        epoch: rootfs.epoch,
        seed: rootfs.digest.clone().into_bytes(),
        kernel_log: options.kernel_log,
    };
    let session =
        boot::boot(memory, &disks.sizes, rootfs.container, &options.assets, &boot_options, timing)?;
    timing.stage("boot");
    timing.note(boot::instructions(session.steps()));
    let Rootfs { platform, digest, name, exposed_ports, .. } = rootfs;
    Ok(Prepared { session, disks, platform, digest, name, exposed_ports, boot: boot_options })
}

/// The runtime for the wanted WASI: a file of the user's own may be for another one.
fn template(options: &Options) -> Result<Template<'_>> {
    let template = Template::parse(options.assets.runtime(options.wasi))?;
    let (wanted, is) = (options.wasi, template.wasi_target());
    ensure!(is == wanted, "the runtime for {wanted} is a {}, for {is}", is.kind());
    Ok(template)
}

/// Converts an image to a module or component at `output` ([`Staged`]).
///
/// # Errors
/// As [`prepare`], or when the output cannot be written.
pub fn convert(
    image: &ImageSource,
    output: &Path,
    options: &Options,
    timing: &mut Timing,
) -> Result<Summary> {
    let staged = Staged::create(output, image.reads())?;
    let template = template(options)?;
    // Before the work: a runtime or a command that cannot be used.
    let training = || Ok::<_, anyhow::Error>((template.linkage()?, options.translation.runs()?));
    let training = options.translation.translates(true).then(training).transpose()?;
    let space = Space::module(template.memory_bytes());
    let Prepared { mut session, disks, platform, digest, name, exposed_ports, boot } =
        prepare_in(space, image, options, Some(options.compress), timing)?;
    if let Some(warning) = size::warning(disks.units.written.stored) {
        options.progress.warning(&warning);
    }
    let emulated = boot.execution.emulator.is_some();
    let training = training.filter(|_| options.translation.translates(emulated));
    let state = session.save(&mut Silent);
    let memory = session.into_memory();
    let ram_length = memory.ram().length;
    let mut ram = UnitWriter::for_ram(options.compress)?;
    ram.write_all(ram_of(&memory))?;
    let ram = ram.finish()?;
    let translated = match training {
        Some((linkage, runs)) => {
            options.progress.stage(Stage::Train);
            // Training goes on from here and leaves its traces in RAM.
            let snapshot = wasm::sparse_copy(ram_of(&memory));
            let snapshot = Snapshot { ram: &snapshot, state: &state };
            let trained = train::train(memory, &snapshot, runs, &options.translation, &boot)?;
            timing.stage("train");
            let translation = boot.execution.target.translate(&trained.selection, &linkage);
            timing.stage("translate");
            Some((trained, translation))
        }
        None => None,
    };
    options.progress.stage(Stage::Package);
    let parts = Parts {
        ram_length,
        ram: &ram,
        image_length: disks.size(),
        image: &disks.units,
        root: disks.root,
        cache: space.image_cache(options.image_cache, options.memory_mib),
        state: &state,
        translation: translated.as_ref().map(|(_, translation)| translation),
        provenance: &Provenance {
            source: image.without_path(name.as_deref()),
            digest,
            platform: platform.to_string(),
            exposed_ports,
            ..provenance(options, boot.execution.emulator)
        },
    };
    let module = staged.finish(|out| Ok(wasm::package(&template, &parts, out)?))?;
    timing.stage("package");
    Ok(Summary { module, trained: translated.map(|(trained, _)| trained) })
}

/// What a conversion has made.
pub struct Summary {
    /// The module.
    pub module: wasm::Summary,
    /// What was translated in it.
    pub trained: Option<TrainingResult>,
}

/// The bytes of a machine's RAM.
fn ram_of(memory: &GuestMemory) -> &[u8] {
    let ram = memory.ram();
    memory.resident(ram.start, ram.length as usize).expect("RAM is there, as it has no source")
}

/// What is the same in modules of all images.
fn provenance(options: &Options, emulator: Option<UserEmulator>) -> Provenance {
    let assets = options.assets.checksums(options.wasi, emulator);
    Provenance {
        source: String::new(),
        digest: String::new(),
        platform: String::new(),
        c2w: env!("CARGO_PKG_VERSION").to_owned(),
        memory_mib: options.memory_mib,
        root_image: 0,
        root_image_stored: 0,
        exposed_ports: Vec::new(),
        machine: String::new(),
        emulator: emulator.map(Into::into),
        assets: assets.into_iter().map(|(name, sum)| (name.to_owned(), sum)).collect(),
    }
}

/// A host that is asked nothing: saving needs one only for the clock, which is the guest's own.
struct Silent;

impl SessionHost for Silent {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exposed_ports_are_bounded() {
        let mut config = ImageConfig::default();
        let text = ["80/tcp", "9/sctp", "0.0.0.0:22:22", "00000000000000000080/tcp", "53/udp"];
        config.run.exposed_ports = text.map(str::to_owned).to_vec();
        assert_eq!(exposed_ports(&config), ["80/tcp", "53/udp"]);
        config.run.exposed_ports = (1..5000).map(|port| format!("{port}/tcp")).collect();
        assert_eq!(exposed_ports(&config).len(), 1024);
    }
}
