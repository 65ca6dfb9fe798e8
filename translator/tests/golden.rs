//! What is emitted for a few small programs, as text: so that a change of the emitter can be read.
//!
//! `C2W_BLESS=1 cargo test -p c2w-translator --test golden` writes the files in `golden/` anew. The
//! words of a program come from `riscv64-linux-gnu-as -march=rv64gcv_zba_zbb`, with `.option
//! norvc`.

#[path = "golden/programs.rs"]
mod programs;

use c2w_emulator::engine::observe::{Block, Observer};
use c2w_emulator::riscv::isa::decode;
use c2w_module_abi::{HELPERS, Helpers, REGION, Signature, ValueType};
use c2w_translator::plan::code::{Bounds, ProfiledCode};
use c2w_translator::plan::profile::Profile;
use c2w_translator::{Linkage, Riscv, Translation, translate};
use programs::{PROGRAMS, Program};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use wasm_encoder::{
    CodeSection, EntityType, FunctionSection, ImportSection, MemorySection, MemoryType, Module,
    NameMap, NameSection, TypeSection, ValType,
};

/// Where a program's page lies in guest-physical memory, and in virtual memory.
const PAGE: u64 = 0x8000_0000;

const LINKAGE: Linkage = Linkage {
    state: 0x1000,
    first_region: 6,
    helpers: Helpers { invoke: 0, status: 1, resume: 2, system_call: 3, map: 4, fma32: 5 },
};

/// The page that a program lies in, from its beginning.
fn page(program: &Program) -> Vec<u8> {
    let mut page: Vec<u8> = program.words.iter().flat_map(|word| word.to_le_bytes()).collect();
    page.resize(4096, 0);
    page
}

/// Goes the way of the program's trace often enough for all of it to be hot.
fn profile(program: &Program, page: &[u8]) -> Profile<Riscv> {
    const RUNS: usize = 100;
    let mut profile = Profile::default();
    for _ in 0..RUNS {
        profile.interrupt();
        for (at, &start) in program.trace.iter().enumerate() {
            let next = program.trace.get(at + 1).copied();
            let end = block_end(program, start, next);
            let code = &page[4 * start..4 * end];
            let address = |word: usize| PAGE + 4 * word as u64;
            profile.block(&Block {
                pc: address(start),
                physical: address(start),
                user: program.user,
                slow: false,
                instructions: (end - start) as u64,
                code,
                next: next.map_or(0, address),
            });
        }
    }
    profile
}

/// Behind the last word of a block: the first that transfers control, or what comes next.
fn block_end(program: &Program, start: usize, next: Option<usize>) -> usize {
    let transfers = |word: u32| matches!(word & 0x7f, 0x63 | 0x67 | 0x6f) || word == 0x73;
    let rest = program.words.iter().enumerate().skip(start);
    let mut behind = rest.map(|(at, &word)| (at + 1, word));
    let end = behind.find(|&(end, word)| transfers(word) || Some(end) == next);
    end.map_or(program.words.len(), |(end, _)| end)
}

fn value_type(ty: ValueType) -> ValType {
    match ty {
        ValueType::I32 => ValType::I32,
        ValueType::I64 => ValType::I64,
        ValueType::F32 => ValType::F32,
    }
}

/// A module of nothing but the functions, with the names of what they call.
fn module(translation: &Translation) -> Vec<u8> {
    let (mut types, mut imports) = (TypeSection::new(), ImportSection::new());
    let (mut functions, mut code) = (FunctionSection::new(), CodeSection::new());
    let mut function_names = NameMap::new();
    let mut declare = |signature: &Signature| {
        let parameters = signature.parameters.iter().copied().map(value_type);
        types.ty().function(parameters, [value_type(signature.result)]);
        types.len() - 1
    };
    let import = |helper: &Signature| {
        let ty = declare(helper);
        function_names.append(ty, helper.name);
        imports.import("c2w", helper.name, EntityType::Function(ty));
        Ok::<_, ()>(())
    };
    HELPERS.try_map(import).expect("nothing fails");
    let region = declare(&REGION);
    for (number, body) in translation.functions.iter().enumerate() {
        functions.function(region);
        function_names.append(LINKAGE.first_region + number as u32, &format!("region_{number}"));
        code.raw(body);
    }
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: 1,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut names = NameSection::new();
    names.functions(&function_names);
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions).section(&memories);
    module.section(&code).section(&names);
    module.finish()
}

/// The program's disassembly, and its functions.
fn text(program: &Program) -> String {
    let page = page(program);
    let profile = profile(program, &page);
    let code = ProfiledCode::new(&profile, |address| (address == PAGE).then_some(&page[..]));
    let bounds = Bounds { executions: 1, ..Bounds::default() };
    let translation = translate(&code.bounded(bounds).select(1000), &LINKAGE);
    assert!(!translation.functions.is_empty(), "{}", program.name);
    let mut text = format!(";; {}\n;;\n", program.about);
    for (at, &word) in program.words.iter().enumerate() {
        writeln!(text, ";; {:3x}  {}", 4 * at, decode(word).expect("an instruction")).unwrap();
    }
    let module = module(&translation);
    let printed = wasmprinter::print_bytes(&module).expect("a valid module");
    // What is the same for all is left out.
    let head = ["(module", "(type", "(import", "(memory", ")"];
    for line in printed.lines().map(|line| line.strip_prefix("  ").unwrap_or(line)) {
        if !head.iter().any(|head| line.starts_with(head) && !line.starts_with("(func"))
            || line == "  )"
        {
            writeln!(text, "{line}").unwrap();
        }
    }
    text
}

#[test]
fn programs_are_translated_as_before() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let bless = std::env::var_os("C2W_BLESS").is_some();
    for program in PROGRAMS {
        let file = folder.join(format!("{}.wat", program.name));
        let text = text(program);
        if bless {
            fs::write(&file, &text).unwrap();
        }
        let expected = fs::read_to_string(&file).unwrap_or_default();
        assert!(
            text == expected,
            "{} differs; C2W_BLESS=1 writes it anew:\n{text}",
            file.display()
        );
    }
}
