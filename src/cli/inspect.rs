//! `c2w inspect`: what a conversion would take, without fetching a layer.

use super::parse_source;
use super::source_options::SourceArgs;
use super::text::{clean, mib, packed, table};
use crate::ext4;
use crate::image_source::ImageSource;
use crate::local;
use crate::oci::image_config::RunConfig;
use crate::oci::{self, Image};
use crate::progress::Silent;
use crate::rootfs::spool::Spool;
use crate::rootfs_source;
use crate::wasm::{EmulatorProvenance, Provenance, wasi_target};
use anyhow::{Context, Result};
use clap::Args;
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::{Read, Seek};

#[derive(Args)]
pub(super) struct Inspect {
    /// As for a conversion.
    image: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    source: SourceArgs,
}

/// The text to print.
pub(super) fn run(arguments: &Inspect) -> Result<String> {
    if let Some(module) = module(&arguments.image) {
        return module_text(module, arguments);
    }
    let image = parse_source(&arguments.image)?;
    match &image {
        ImageSource::Image(reference) => {
            let options = arguments.source.any_platform(&image, &Silent)?;
            let image = oci::open(reference, &options)
                .map_err(|error| local::with_hint(reference, error))?;
            Ok(if arguments.json { lines(&image_json(&image)) } else { image_text(&image) })
        }
        ImageSource::Rootfs(reference) => {
            let spool = Spool::new()?;
            let (files, name) =
                (rootfs_source::read(reference, spool, &ext4::LIMITS)?, image.to_string());
            let (digest, bytes) = (files.digest.to_string(), files.spool.len());
            Ok(match arguments.json {
                true => lines(&json!({ "source": name, "digest": digest, "size": bytes })),
                false => table(&[
                    ["source".into(), clean(&name)],
                    ["digest".into(), digest],
                    ["files".into(), format!("{} MiB", mib(bytes))],
                ]),
            })
        }
    }
}

/// The file, if the name is that of one with WebAssembly in it.
fn module(name: &str) -> Option<File> {
    let mut magic = [0; 4];
    let mut file = File::open(name).ok()?;
    file.read_exact(&mut magic).and_then(|()| file.rewind()).ok()?;
    (magic == *b"\0asm").then_some(file)
}

/// What a module or component says of its making.
fn module_text(mut module: File, arguments: &Inspect) -> Result<String> {
    let size = module.metadata()?.len();
    let provenance = Provenance::read(&mut module)
        .with_context(|| format!("cannot inspect {}", arguments.image))?;
    let target = wasi_target(&mut module)?;
    if arguments.json {
        let mut json = serde_json::to_value(&provenance)?;
        json["target"] = target.name().into();
        json["size"] = size.into();
        return Ok(lines(&json));
    }
    let row = |name: &str, value: String| [name.to_owned(), clean(&value)];
    let mut rows = vec![
        row("source", provenance.source),
        row("digest", provenance.digest),
        row("platform", provenance.platform),
        row("target", target.name().into()),
        row("made by", format!("c2w {}", provenance.c2w)),
        row("memory", format!("{} MiB", provenance.memory_mib)),
        row("root image", packed(provenance.root_image, provenance.root_image_stored)),
        row(target.kind(), format!("{} MiB", mib(size))),
    ];
    if let Some(emulator) = provenance.emulator {
        rows.insert(3, row("emulator", emulator.to_string()));
    }
    rows.extend(provenance.assets.into_iter().map(|(name, sum)| row(&name, sum)));
    Ok(table(&rows))
}

fn lines(value: &Value) -> String {
    format!("{value:#}\n")
}

fn image_text(image: &Image) -> String {
    let run = &image.config.run;
    let mut rows: Vec<[String; 2]> = Vec::new();
    // A list goes down the column; what is empty is left out.
    let mut add = |name: &str, values: &[String]| {
        let shown = values.iter().filter(|value| !value.is_empty()).map(|value| clean(value));
        for (index, value) in shown.enumerate() {
            rows.push([if index == 0 { name.into() } else { String::new() }, value]);
        }
    };
    add("source", &[image.name().into()]);
    add("name", &[image.name_inside().unwrap_or_default().into()]);
    add("digest", &[image.manifest_digest.to_string()]);
    add("platform", &[image.platform.to_string()]);
    add("emulator", &[emulator(image).map_or(String::new(), |emulator| emulator.to_string())]);
    add("created", &[image.config.created.clone().unwrap_or_default()]);
    add("entrypoint", &[words(&run.entrypoint)]);
    add("cmd", &[words(&run.cmd)]);
    add("env", &run.env);
    add("user", std::slice::from_ref(&run.user));
    add("workdir", std::slice::from_ref(&run.working_dir));
    add("volumes", &run.volumes);
    add("ports", &run.exposed_ports);
    add("stopsignal", std::slice::from_ref(&run.stop_signal));
    let labels: Vec<_> = run.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    add("labels", &labels);
    let sizes = image.layer_descriptors().map(|(layer, _)| layer.size);
    add("layers", &[format!("{}, {} MiB", sizes.clone().count(), mib(total(sizes)))]);
    format!("{}{}", table(&rows), layers_text(image))
}

/// What would run the image's programs, if the machine itself does not.
fn emulator(image: &Image) -> Option<EmulatorProvenance> {
    Some(image.platform.execution().ok()?.emulator?.into())
}

/// Words that could be pasted into a JSON array, as Docker shows them.
fn words(words: &[String]) -> String {
    if words.is_empty() { String::new() } else { Value::from(words).to_string() }
}

fn layers_text(image: &Image) -> String {
    let mut rows = vec![["", "MIB", "MEDIA TYPE", "DIGEST", "DIFFID"].map(str::to_owned)];
    for (index, (layer, diff_id)) in image.layer_descriptors().enumerate() {
        let number = (index + 1).to_string();
        let (digest, diff_id) = (layer.digest.to_string(), diff_id.to_string());
        rows.push([number, mib(layer.size), clean(&layer.media_type), digest, diff_id]);
    }
    if rows.len() == 1 { String::new() } else { format!("\n{}", table(&rows)) }
}

fn total(sizes: impl Iterator<Item = u64>) -> u64 {
    sizes.fold(0, u64::saturating_add)
}

fn image_json(image: &Image) -> Value {
    let layers = image.layer_descriptors().map(|(layer, diff_id)| {
        json!({
            "digest": layer.digest.to_string(),
            "mediaType": layer.media_type,
            "size": layer.size,
            "diffId": diff_id.to_string(),
        })
    });
    json!({
        "source": image.name(),
        "name": image.name_inside(),
        "digest": image.manifest_digest.to_string(),
        "platform": image.platform.to_string(),
        "emulator": emulator(image),
        "created": image.config.created,
        "size": total(image.layer_descriptors().map(|(layer, _)| layer.size)),
        "layers": layers.collect::<Vec<_>>(),
        "config": config_json(&image.config.run),
    })
}

/// With the names of the image specification.
fn config_json(run: &RunConfig) -> Value {
    let set = |names: &[String]| -> Map<String, Value> {
        names.iter().map(|name| (name.clone(), json!({}))).collect()
    };
    json!({
        "Entrypoint": run.entrypoint,
        "Cmd": run.cmd,
        "Env": run.env,
        "User": run.user,
        "WorkingDir": run.working_dir,
        "Volumes": set(&run.volumes),
        "ExposedPorts": set(&run.exposed_ports),
        "StopSignal": run.stop_signal,
        "Labels": run.labels,
    })
}
