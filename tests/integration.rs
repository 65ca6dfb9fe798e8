//! All tests that need more than one module, but for `end_to_end` and `lockstep`: in one program,
//! which is linked once, and whose tests run side by side. Folders of tests stand here by their
//! `main.rs`.

#[path = "layer_cases/main.rs"]
mod layer_cases;
#[path = "registry/main.rs"]
mod registry;
#[path = "registry_faults/main.rs"]
mod registry_faults;

mod cache;
mod clock;
mod command_line;
mod ext4;
mod idle;
mod images_source;
mod inspect;
mod layers;
mod net_helper;
mod rootfs_command;
mod rootfs_source;
mod same_result;
mod shared;
mod transports;

// What they share.
#[path = "support/booted.rs"]
mod booted;
#[path = "support/docker_registry.rs"]
mod docker_registry;
#[path = "support/faulty_server.rs"]
mod faulty_server;
#[path = "support/foreign.rs"]
mod foreign;
#[path = "support/layered.rs"]
mod layered;
#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/readback.rs"]
mod readback;
#[path = "support/row.rs"]
mod row;
#[path = "support/tar_builder.rs"]
mod tar_builder;
#[path = "support/tars.rs"]
mod tars;
#[path = "support/token_server.rs"]
mod token_server;
#[path = "support/tree_rows.rs"]
mod tree_rows;
#[path = "support/truth.rs"]
mod truth;
#[path = "support/walk.rs"]
mod walk;
