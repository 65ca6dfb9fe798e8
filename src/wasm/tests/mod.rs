//! Modules made of a small runtime: what is in them, and that they run.

mod component;
mod runtime;
mod snapshot;

use super::{PackageError, Parts, Provenance, Summary, Template, TemplateError, package};
use crate::units::{Compress, UnitFile, UnitWriter};
use c2w_emulator::UNIT_SIZE;
use c2w_module_abi::Helpers;
use c2w_translator::{Linkage, Translation};
use c2w_units::UnitIndex;
use runtime::{CALL, ELEMENTS, FUNCTION_NAMES, FUNCTIONS, HOT, PLACEMENT, Runtime, function};
use std::io::Write;
use wasmparser::{BinaryReader, DataKind, ElementItems, ElementKind, Operator, Parser};
use wasmtime::{Engine, Instance, Linker, Module, Ref, Store};

const RAM: usize = 3 * UNIT_SIZE;
const STATE: &[u8] = b"the state";
const INDEX: &[u8] = b"where regions begin";
/// The two that are translated, and the one that copies units.
const ADDED: [u32; 3] = [FUNCTIONS, FUNCTIONS + 1, FUNCTIONS + 2];
const LINKAGE: Linkage = Linkage {
    state: HOT,
    first_region: FUNCTIONS,
    helpers: Helpers { invoke: 2, status: 3, fma32: 4, resume: 5, map: 6, system_call: 7 },
};

fn package_with(runtime: &[u8], translation: Option<&Translation>) -> (Vec<u8>, Summary) {
    let template = Template::parse(runtime).unwrap();
    let mut module = Vec::new();
    let summary = try_package(&template, translation, &mut module).unwrap();
    Module::validate(&Engine::default(), &module).unwrap();
    assert_eq!(summary.size, module.len() as u64);
    let provenance = Provenance::read(&mut std::io::Cursor::new(&module)).unwrap();
    assert_eq!((provenance.root_image, summary.image.raw), (8192, 8192));
    assert_eq!(provenance.root_image_stored, summary.image.stored);
    (module, summary)
}

fn try_package(
    template: &Template<'_>,
    translation: Option<&Translation>,
    out: &mut Vec<u8>,
) -> Result<Summary, PackageError> {
    package_state(template, translation, STATE, out)
}

fn package_state(
    template: &Template<'_>,
    translation: Option<&Translation>,
    state: &[u8],
    out: &mut Vec<u8>,
) -> Result<Summary, PackageError> {
    let mut ram = vec![0; RAM];
    ram[4096] = 1;
    ram[2 * UNIT_SIZE..].fill(4);
    let ram = units(&ram);
    let image = units(&[&[7; 5000][..], &[0; UNIT_SIZE]].concat());
    let provenance = Provenance {
        source: "source".into(),
        digest: "digest".into(),
        platform: "platform".into(),
        c2w: "version".into(),
        memory_mib: 1,
        root_image: 0,
        root_image_stored: 0,
        exposed_ports: Vec::new(),
        machine: String::new(),
        emulator: None,
        assets: [].into(),
    };
    let parts = Parts {
        ram_length: RAM as u64,
        ram: &ram,
        image_length: 2 * UNIT_SIZE as u64,
        image: &image,
        root: image.written,
        cache: 0,
        state,
        translation,
        provenance: &provenance,
    };
    package(template, &parts, out)
}

fn units(bytes: &[u8]) -> UnitFile {
    let mut writer = UnitWriter::for_image(Compress::Fast).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

/// Two regions: one returns `base + 1`; the other asks it, and then the runtime.
fn translation(linkage: Linkage) -> Translation {
    let first = function(|code| code.local_get(0).i64_const(1).i64_add());
    let second = function(|code| {
        // Long enough for a size of two bytes.
        (0..200).for_each(|_| _ = code.nop());
        code.local_get(0).local_get(1).local_get(2).call(linkage.first_region);
        code.local_get(2).call(linkage.helpers.invoke)
    });
    let functions = [first, second].map(|function| function.into_raw_body()).into();
    Translation { functions, index: INDEX.to_vec() }
}

fn translated(runtime: &Runtime) -> (Vec<u8>, Summary) {
    let runtime = runtime.build();
    let linkage = Template::parse(&runtime).unwrap().linkage().unwrap();
    package_with(&runtime, Some(&translation(linkage)))
}

/// Id and contents of each section.
fn sections(module: &[u8]) -> Vec<(u8, &[u8])> {
    let sections = Parser::new(0).parse_all(module).filter_map(|payload| {
        let (id, range) = payload.unwrap().as_section()?;
        Some((id, &module[range.start as usize..range.end as usize]))
    });
    sections.collect()
}

fn contents(module: &[u8], id: u8) -> &[u8] {
    sections(module).into_iter().find(|section| section.0 == id).expect("the section").1
}

/// Address and bytes of each data segment but the last, and the bytes of that, which is passive.
fn data(module: &[u8]) -> (Vec<(u32, &[u8])>, &[u8]) {
    let reader = BinaryReader::new(contents(module, 11), 0);
    let segments = wasmparser::DataSectionReader::new(reader).unwrap();
    let mut segments: Vec<_> = segments.into_iter().map(Result::unwrap).collect();
    let last = segments.pop().unwrap();
    assert!(matches!(last.kind, DataKind::Passive));
    let address = |kind: DataKind<'_>| match kind {
        DataKind::Active { memory_index: 0, offset_expr } => constant(&offset_expr),
        _ => panic!("a passive segment"),
    };
    (segments.into_iter().map(|segment| (address(segment.kind), segment.data)).collect(), last.data)
}

fn constant(expression: &wasmparser::ConstExpr<'_>) -> u32 {
    match expression.get_operators_reader().read().unwrap() {
        Operator::I32Const { value } => value as u32,
        other => panic!("{other:?}"),
    }
}

/// The placement table, as the runtime reads it.
fn placement(module: &[u8]) -> [u32; 14] {
    // The last segment for these bytes counts.
    let table = data(module).0.into_iter().rfind(|segment| segment.0 == PLACEMENT).unwrap().1;
    assert_eq!(table.len(), 56);
    let word = |at: usize| u32::from_le_bytes(table[4 * at..][..4].try_into().unwrap());
    std::array::from_fn(word)
}

/// Minimum and maximum of each table.
fn tables(module: &[u8]) -> Vec<(u64, Option<u64>)> {
    let reader = BinaryReader::new(contents(module, 4), 0);
    let tables = wasmparser::TableSectionReader::new(reader).unwrap();
    tables.into_iter().map(|table| table.unwrap().ty).map(|ty| (ty.initial, ty.maximum)).collect()
}

/// Offset and functions of each segment for table 0.
fn elements(module: &[u8]) -> Vec<(u32, Vec<u32>)> {
    let reader = BinaryReader::new(contents(module, 9), 0);
    let segments = wasmparser::ElementSectionReader::new(reader).unwrap();
    let segment = |segment: wasmparser::Element<'_>| match (segment.kind, segment.items) {
        (
            ElementKind::Active { table_index: None, offset_expr },
            ElementItems::Functions(functions),
        ) => (constant(&offset_expr), functions.into_iter().map(Result::unwrap).collect()),
        _ => panic!("another kind of segment"),
    };
    segments.into_iter().map(Result::unwrap).map(segment).collect()
}

fn count(module: &[u8], id: u8) -> u32 {
    BinaryReader::new(contents(module, id), 0).read_var_u32().unwrap()
}

fn instantiate(module: &[u8]) -> (Store<()>, Instance) {
    let engine = Engine::default();
    let module = Module::new(&engine, module).unwrap();
    let mut linker = Linker::new(&engine);
    linker.func_wrap("host", "first", || {}).unwrap();
    linker.func_wrap("host", "second", || {}).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &module).unwrap();
    (store, instance)
}

#[test]
fn the_linkage_is_that_of_the_runtime() {
    let runtime = Runtime::default().build();
    let linkage = Template::parse(&runtime).unwrap().linkage().unwrap();
    assert_eq!(linkage, LINKAGE);
}

#[test]
fn a_function_that_is_missing_is_named() {
    for name in FUNCTION_NAMES {
        let runtime = Runtime { hidden: Some(name), ..Runtime::default() }.build();
        let error = Template::parse(&runtime).unwrap().linkage().unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
    let swapped = Runtime { swapped: true, ..Runtime::default() }.build();
    let error = Template::parse(&swapped).unwrap().linkage().unwrap_err().to_string();
    assert!(error.contains("c2w_invoke as (func (param i64 i32) (result i64))"), "{error}");
}

#[test]
fn a_runtime_without_a_table_of_its_own_takes_no_functions() {
    let none = Runtime { own_table: false, elements: false, ..Runtime::default() };
    let none = Runtime { unit_type: false, ..none };
    let imported = Runtime { imported_table: true, ..Runtime::default() };
    for runtime in [none, imported] {
        let runtime = runtime.build();
        let template = Template::parse(&runtime).unwrap();
        assert!(matches!(template.linkage(), Err(TemplateError::Missing(_))));
        let error = try_package(&template, Some(&translation(LINKAGE)), &mut vec![]).unwrap_err();
        assert!(error.to_string().contains("table 0"), "{error}");
        let error = try_package(&template, None, &mut vec![]).unwrap_err();
        assert!(error.to_string().contains("table 0"), "{error}");
    }
}

#[test]
fn a_runtime_that_does_not_say_where_the_hart_is_runs_no_regions() {
    let older = Runtime { hot: false, ..Runtime::default() }.build();
    let error = Template::parse(&older).unwrap().linkage().unwrap_err();
    assert!(error.to_string().contains("C2W_STATE"), "{error}");
    let (module, summary) = package_with(&older, None);
    assert_eq!((summary.translated, placement(&module)[9]), (0, 0));
}

#[test]
fn sections_are_extended_and_stay_in_order() {
    let (module, _) = translated(&Runtime::default());
    let ids: Vec<u8> = sections(&module).iter().map(|section| section.0).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5, 6, 7, 9, 12, 0, 10, 11, 0, 0, 0]);
    let runtime = Runtime::default().build();
    let kept = |id: &u8| [0, 2, 6, 7].contains(id);
    let mut before = sections(&runtime);
    before.retain(|section| kept(&section.0));
    let mut after = sections(&module);
    after.retain(|section| kept(&section.0));
    let provenance = after.pop().unwrap();
    assert!(provenance.1[1..].starts_with(b"c2w.provenance"));
    assert!(before == after);
    assert_eq!(tables(&module), [(6, Some(6)), (3, Some(3))]);
    assert_eq!(elements(&module), [(1, vec![2, 3]), (3, ADDED.to_vec())]);
    assert_eq!(contents(&module, 3)[..], [10, 1, 2, 3, 4, 5, 1, 7, 6, 6, 8]);
    let code = contents(&runtime, 10);
    assert_eq!(count(&module, 10), 10);
    assert_eq!(contents(&module, 10)[1..code.len()], code[1..]);
}

#[test]
fn a_table_without_a_maximum_keeps_none() {
    let (module, _) = translated(&Runtime { table_maximum: false, ..Runtime::default() });
    assert_eq!(tables(&module), [(6, None), (3, None)]);
}

#[test]
fn what_the_runtime_lacks_is_made() {
    let bare = Runtime { unit_type: false, elements: false, ..Runtime::default() };
    let (module, _) = translated(&bare);
    assert_eq!(count(&module, 1), 8);
    assert_eq!(elements(&module), [(3, ADDED.to_vec())]);
    // The type that was made is the one that is looked for.
    let template = Template::parse(&module).unwrap();
    assert_eq!(template.functions.region_type(), Some(6));
    let (mut store, instance) = instantiate(&module);
    let table = instance.get_table(&mut store, "table").unwrap();
    let Some(Ref::Func(Some(region))) = table.get(&mut store, ELEMENTS + 1) else { panic!() };
    let region = region.typed::<(i64, i32, i32), i64>(&store).unwrap();
    assert_eq!(region.call(&mut store, (41, 0, 0)).unwrap(), 42);
}

#[test]
fn regions_are_called_through_the_table() {
    let (module, summary) = translated(&Runtime::default());
    let [.., index, length, _, first_element, _] = placement(&module);
    assert_eq!(u64::from(first_element), ELEMENTS);
    let [first, second] = &translation(LINKAGE).functions[..] else { panic!() };
    assert_eq!(summary.translated as usize, 1 + first.len() + 2 + second.len() + INDEX.len());
    let (mut store, instance) = instantiate(&module);
    let memory = instance.get_memory(&mut store, "memory").unwrap();
    assert_eq!(&memory.data(&store)[index as usize..][..length as usize], INDEX);
    assert_eq!(&memory.data(&store)[16..30], b"of the runtime");
    type Call = (u32, i64, i32, i32);
    let call = instance.get_typed_func::<Call, i64>(&mut store, CALL).unwrap();
    for element in [first_element, first_element + 1] {
        assert_eq!(call.call(&mut store, (element, 0x8000_0000, 0, 0)).unwrap(), 0x8000_0001);
    }
    assert!(call.call(&mut store, (first_element + 2, 0, 0, 0)).is_err());
}

#[test]
fn the_table_of_addresses_says_where_everything_is() {
    let runtime = Runtime::default().build();
    let (plain, summary) = package_with(&runtime, None);
    assert_eq!(summary.translated, 0);
    let (units, state, image, ram) = (0x1_0000, 0x1_0028, 0x2_0000, 0x4_0000);
    let before = [
        0x7732_6303,
        image,
        2 * UNIT_SIZE as u32,
        ram,
        RAM as u32,
        units,
        5 * 8,
        state,
        STATE.len() as u32,
    ];
    let behind = |copy_units: u32| [2, ELEMENTS as u32, copy_units];
    assert_eq!(placement(&plain)[..9], before);
    assert_eq!(placement(&plain)[9..11], [0, 0]);
    assert_eq!(placement(&plain)[11..], behind(ELEMENTS as u32));
    let (module, _) = translated(&Runtime::default());
    let index = state + 16;
    assert_eq!(placement(&module)[..9], before);
    assert_eq!(placement(&module)[9..11], [index, INDEX.len() as u32]);
    assert_eq!(placement(&module)[11..], behind(ELEMENTS as u32 + 2));
    let ((mut segments, stored), (mut more, same)) = (data(&plain), data(&module));
    assert_eq!(segments.pop().unwrap().0, PLACEMENT);
    assert_eq!(more.pop().unwrap().0, PLACEMENT);
    segments.push((index, INDEX));
    assert!(segments == more && stored == same);
}

#[test]
fn what_is_stored_of_units_is_copied_by_the_last_function() {
    for translation in [None, Some(&translation(LINKAGE))] {
        let (module, _) = package_with(&Runtime::default().build(), translation);
        let [.., copy_units] = placement(&module);
        let stored = data(&module).1;
        let (mut store, instance) = instantiate(&module);
        let table = instance.get_table(&mut store, "table").unwrap();
        let element = table.get(&mut store, copy_units.into());
        let Some(Ref::Func(Some(copy))) = element else { panic!() };
        let copy = copy.typed::<(u32, u32, u32), ()>(&store).unwrap();
        copy.call(&mut store, (0x2_0000, 3, 20)).unwrap();
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        assert_eq!(memory.data(&store)[0x2_0000..][..20], stored[3..23]);
        assert!(copy.call(&mut store, (0x2_0000, stored.len() as u32 - 1, 2)).is_err());
        // The units are those that were packed, RAM's first.
        let index = &data(&module).0.into_iter().find(|segment| segment.0 == 0x1_0000).unwrap().1;
        let last = UnitIndex::new(index).get(3).unwrap();
        let mut unit = [0xee; UNIT_SIZE];
        let bytes = &stored[last.offset as usize..][..last.length as usize];
        c2w_units::unpack(last.encoding, bytes, &mut unit).unwrap();
        assert!(unit[..5000] == [7; 5000] && unit[5000..].iter().all(|&byte| byte == 0));
    }
}

#[test]
fn without_translation_one_function_is_added() {
    let runtime = Runtime::default().build();
    let (module, _) = package_with(&runtime, None);
    let changed = [1, 3, 4, 5, 9, 10, 11, 12];
    let mut after = sections(&module);
    after.pop();
    after.retain(|section| !changed.contains(&section.0));
    let mut before = sections(&runtime);
    before.retain(|section| !changed.contains(&section.0));
    assert!(before == after);
    assert_eq!(count(&module, 10), count(&runtime, 10) + 1);
    let nothing = Translation { functions: vec![], index: INDEX.to_vec() };
    let (same, summary) = package_with(&runtime, Some(&nothing));
    assert!(same == module);
    assert_eq!(summary.translated, 0);
}

#[test]
fn the_same_parts_give_the_same_module() {
    assert!(translated(&Runtime::default()).0 == translated(&Runtime::default()).0);
}

#[test]
fn more_code_than_engines_accept_is_refused() {
    let runtime = Runtime::default().build();
    let template = Template::parse(&runtime).unwrap();
    let cases = [
        (vec![vec![]; 1_000_000], "1000009 functions"),
        (vec![vec![0; 7_654_322]], "7654322 bytes in a function"),
    ];
    for (functions, what) in cases {
        let translation = Translation { functions, index: vec![] };
        let error = try_package(&template, Some(&translation), &mut vec![]).unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
    }
}
