//! Components: the module in them, what stands around it, and files that are damaged.

use super::super::component::Component;
use super::super::scan::{COMPONENT_HEADER, CoreModule, MODULE_HEADER};
use super::super::sections;
use super::runtime::{Runtime, custom};
use super::{STATE, package_state, translation, try_package};
use crate::target::Target;
use crate::wasi_target::WasiTarget;
use crate::wasm::{PackageError, Provenance, ProvenanceError, Template, wasi_target};
use c2w_componentize::componentize;
use std::io::Cursor;
use wasm_encoder::{ComponentSectionId, Section};

const CORE_MODULE: u8 = ComponentSectionId::CoreModule as u8;
const EXPORT: u8 = ComponentSectionId::Export as u8;

fn section(id: u8, contents: &[u8]) -> Vec<u8> {
    [&sections::head(id, contents.len()), contents].concat()
}

fn custom_section(name: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    custom(name, data).append_to(&mut bytes);
    bytes
}

/// What stands in front of the module in [`shell`], and behind it.
fn surroundings() -> [Vec<u8>; 2] {
    let before = [&COMPONENT_HEADER[..], &custom_section("of others", &[1; 300])].concat();
    let another = section(CORE_MODULE, &MODULE_HEADER);
    let after = [&another[..], &section(EXPORT, b"exports"), &custom_section("names", b"of parts")]
        .concat();
    [before, after]
}

/// Something in the form of a component, with this module in it.
pub fn shell(core: &[u8]) -> Vec<u8> {
    let [before, after] = surroundings();
    [before, section(CORE_MODULE, core), after].concat()
}

fn packaged(runtime: &[u8], state: &[u8]) -> Vec<u8> {
    let template = Template::parse(runtime).unwrap();
    let mut out = Vec::new();
    let summary = package_state(&template, None, state, &mut out).unwrap();
    assert_eq!(summary.size, out.len() as u64);
    out
}

fn read(file: &[u8]) -> Result<Provenance, ProvenanceError> {
    Provenance::read(&mut Cursor::new(file))
}

#[test]
fn only_the_module_changes() {
    let core = Runtime::default().build();
    let shell = shell(&core);
    // To both sides of where the section's length gets another byte.
    for (wanted, bytes) in [((1 << 14) - 1, 2), (1 << 14, 3), ((1 << 21) - 1, 3), (1 << 21, 4)] {
        let mut state = STATE.to_vec();
        let length = (0..4).find_map(|_| {
            let is = packaged(&core, &state).len();
            state.resize((state.len() + wanted).strict_sub(is), 1);
            (is == wanted).then_some(is)
        });
        assert_eq!(length, Some(wanted));
        let module = packaged(&core, &state);
        let component = packaged(&shell, &state);
        let [before, after] = surroundings();
        let head = sections::head(CORE_MODULE, wanted);
        assert_eq!(head.len(), 1 + bytes);
        assert!(component == [before, head, module.clone(), after].concat(), "{wanted}");
        assert_eq!(read(&component).unwrap(), read(&module).unwrap());
    }
}

/// The encoder knows the whole module, we only the runtime that it was made of.
#[test]
fn a_component_is_what_the_encoder_makes_of_its_module() {
    let core = Target::default().prebuilt().runtime;
    let shell = componentize(core).unwrap();
    let (module, component) = (Template::parse(core).unwrap(), Template::parse(&shell).unwrap());
    let linkage = module.linkage().unwrap();
    assert_eq!(component.linkage().unwrap(), linkage);
    for translation in [None, Some(translation(linkage))] {
        let (mut alone, mut swapped) = (Vec::new(), Vec::new());
        try_package(&module, translation.as_ref(), &mut alone).unwrap();
        try_package(&component, translation.as_ref(), &mut swapped).unwrap();
        assert!(componentize(&alone).unwrap() == swapped);
    }
}

#[test]
fn what_names_interfaces_is_left_out() {
    let core = Runtime::default().build();
    let named = [&core[..], &custom_section("component-type:c2w", &[1, 2])].concat();
    assert!(packaged(&shell(&named), STATE) == packaged(&shell(&core), STATE));
}

#[test]
fn the_kind_of_file_is_told_by_its_head() {
    let core = Runtime::default().build();
    for (file, target) in
        [(core.clone(), WasiTarget::Preview1), (shell(&core), WasiTarget::Preview2)]
    {
        assert_eq!(Template::parse(&file).unwrap().wasi_target(), target);
        assert_eq!(wasi_target(&mut Cursor::new(&file)).unwrap(), target);
        let product = packaged(&file, STATE);
        assert_eq!(wasi_target(&mut Cursor::new(product)).unwrap(), target);
    }
}

#[test]
fn a_component_that_was_cut_off_is_none() {
    let shell = shell(&Runtime::default().build());
    let component = packaged(&shell, STATE);
    let [before, after] = surroundings();
    // Without what follows its exports, nothing is missing but names.
    let names = section(EXPORT, b"exports").len();
    let exports = after.windows(7).position(|bytes| bytes == b"exports").unwrap() - 2;
    let whole = component.len() - after.len() + exports + names;
    let at_sections = [COMPONENT_HEADER.len(), before.len()];
    for end in 0..component.len() {
        match read(&component[..end]) {
            Ok(_) => assert_eq!(end, whole),
            Err(ProvenanceError::NotWasm) => assert!(end < COMPONENT_HEADER.len(), "{end}"),
            Err(ProvenanceError::Missing) => assert!(at_sections.contains(&end), "{end}"),
            Err(ProvenanceError::Broken) => assert!(end > COMPONENT_HEADER.len(), "{end}"),
            Err(other) => panic!("{end}: {other}"),
        }
    }
    let whole = shell.len() - (component.len() - whole);
    for end in 0..shell.len() {
        assert_eq!(Template::parse(&shell[..end]).is_ok(), end == whole, "{end}");
    }
}

#[test]
fn components_of_others_are_refused() {
    let component = |sections: &[(u8, &[u8])]| {
        let sections: Vec<_> = sections.iter().map(|(id, bytes)| section(*id, bytes)).collect();
        [&COMPONENT_HEADER[..], &sections.concat()].concat()
    };
    let packaged = packaged(&Runtime::default().build(), STATE);
    let nested = component(&[(CORE_MODULE, &packaged), (EXPORT, b"")]);
    assert!(read(&nested).is_ok());
    let not_ours: [&[(u8, &[u8])]; 4] = [
        &[],
        &[(EXPORT, b"")],
        &[(ComponentSectionId::Component as u8, &nested), (EXPORT, b"")],
        // The first one counts.
        &[(CORE_MODULE, &MODULE_HEADER), (CORE_MODULE, &packaged), (EXPORT, b"")],
    ];
    for sections in not_ours {
        assert!(matches!(read(&component(sections)), Err(ProvenanceError::Missing)));
        let error = Template::parse(&component(sections)).err().unwrap().to_string();
        assert!(error.starts_with("the runtime module has no "), "{error}");
    }
    let broken: [&[(u8, &[u8])]; 4] = [
        &[(CORE_MODULE, &packaged)],
        &[(CORE_MODULE, &MODULE_HEADER[..7]), (EXPORT, b"")],
        &[(CORE_MODULE, &nested), (EXPORT, b"")],
        // A section in it that ends behind it.
        &[(CORE_MODULE, &[&MODULE_HEADER[..], &[0, 3, 0]].concat()), (EXPORT, b"and more")],
    ];
    for sections in broken {
        assert!(matches!(read(&component(sections)), Err(ProvenanceError::Broken)));
        assert!(Template::parse(&component(sections)).is_err());
    }
}

#[test]
fn a_module_as_long_as_a_section_can_be_and_a_longer_one() {
    let shell = shell(&Runtime::default().build());
    let found = CoreModule::find(&mut Cursor::new(&shell)).unwrap().unwrap();
    let component = Component::around(&shell, &found).unwrap();
    let mut out = Vec::new();
    component.write(u32::MAX.into(), &mut out, |_| Ok(())).unwrap();
    let [before, after] = surroundings();
    assert!(out == [&before[..], &[CORE_MODULE, 255, 255, 255, 255, 15], &after].concat());
    let mut nothing = Vec::new();
    let error = component.write(1 << 32, &mut nothing, |_| Ok(())).unwrap_err();
    assert!(matches!(error, PackageError::Component(4096)) && nothing.is_empty(), "{error}");
}
