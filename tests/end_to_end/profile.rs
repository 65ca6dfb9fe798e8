//! What the guest's kernel makes of the hart's extensions: a C program asks it and uses them.

use crate::case::{Case, Stdin, case};
use crate::guest;
use libtest_mimic::Trial;
use std::path::Path;
use std::sync::OnceLock;

/// Puts the program, which comes by standard input, somewhere and becomes it.
const SHELL: &str = "cat > /profile && chmod +x /profile && exec /profile $0";

/// What the kernel knows of the hart: `isa` of /proc/cpuinfo, then the keys of riscv_hwprobe(2).
const EXTENSIONS: &str = "\
isa\t\t: rv64imafdcv_zicbom_zicbop_zicboz_zicntr_zicond_zicsr_zifencei_zihintntl_zihintpause_zihpm_\
zimop_zawrs_zfa_zfhmin_zca_zcb_zcd_zcmop_zba_zbb_zbs_zkt_zvbb_zve32f_zve32x_zve64d_zve64f_zve64x_\
zvfhmin_zvkb_zvkt_sstc_svinval_svnapot_svpbmt_svvptc
hwprobe ima: fd c v zba zbb zbs zicboz zkt zvbb zvkb zvkt zfhmin zihintntl zvfhmin zfa zicond \
zihintpause zve32x zve32f zve64x zve64f zve64d zimop zca zcb zcd zcmop zawrs zicntr zihpm zicbom \
zicbop
timebase: 10000000
misaligned scalars: 3
misaligned vectors: 3
zicboz block: 64
zicbom block: 64
zicbop block: 64
highest address: 274877906944
thead: 0
unknown key: no such key, 0
";

pub fn trials() -> Vec<Trial> {
    guest::trials("profile", cases)
}

fn cases() -> Vec<Trial> {
    let cases = [
        profile("profile_extensions", "extensions").stdout(EXTENSIONS),
        profile("profile_cache_blocks", "blocks").stdout("cbo.zero ok\ncbo.inval is refused\n"),
        profile("profile_vectors", "vectors")
            .stdout("vectors across switches and signals ok\nvectors in a debugger ok\n"),
    ];
    cases.into_iter().flat_map(Case::trials).collect()
}

/// A run of the program with `what` to do.
fn profile(name: &'static str, what: &str) -> Case {
    case(name, ["sh", "-c", SHELL, what]).stdin(Stdin::Pipe(program().to_vec()))
}

/// The program, compiled once.
fn program() -> &'static [u8] {
    static PROGRAM: OnceLock<Vec<u8>> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let output = Path::new(env!("CARGO_TARGET_TMPDIR")).join("profile");
        guest::compile("profile", &output);
        std::fs::read(output).unwrap()
    })
}
