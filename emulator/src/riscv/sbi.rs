//! The Supervisor Binary Interface (RISC-V SBI specification 2.0), answered by the emulator in
//! place of a firmware: Base, TIME, IPI, RFENCE, HSM, SRST and DBCN.

use super::hart::Hart;
use crate::devices::PowerRequest;
use crate::engine::bus::Bus;

mod extension {
    pub const LEGACY_PUTCHAR: u64 = 1;
    pub const BASE: u64 = 0x10;
    pub const TIME: u64 = 0x5449_4d45;
    pub const IPI: u64 = 0x0073_5049;
    pub const RFENCE: u64 = 0x5246_4e43;
    pub const HSM: u64 = 0x0048_534d;
    pub const SRST: u64 = 0x5352_5354;
    pub const DBCN: u64 = 0x4442_434e;
    /// All but Base that a probe finds.
    pub const PROBED: [u64; 7] = [LEGACY_PUTCHAR, TIME, IPI, RFENCE, HSM, SRST, DBCN];
}

/// Error codes.
mod error {
    pub const NOT_SUPPORTED: i64 = -2;
    pub const INVALID_PARAM: i64 = -3;
    pub const ALREADY_AVAILABLE: i64 = -6;
}

/// Longest console write taken at once, in bytes.
const CONSOLE_CHUNK: u64 = 1 << 16;

type Answer = Result<u64, i64>;

impl Hart {
    /// Answers the SBI call in the argument registers.
    pub(super) fn sbi_call(&mut self, bus: &mut Bus<'_>) {
        let [a0, a1, a2] = [self.x(10), self.x(11), self.x(12)];
        let (function, extension) = (self.x(16), self.x(17));
        if extension == extension::LEGACY_PUTCHAR {
            bus.host.debug_output(&[a0 as u8]);
            self.set_x(10, 0);
            return;
        }
        let answer = match (extension, function) {
            (extension::BASE, _) => base(function, a0),
            (extension::TIME, 0) => {
                self.set_timer(a0);
                Ok(0)
            }
            (extension::IPI, 0) => {
                // Hart mask and base: only hart 0 exists.
                self.state.csrs.ssip |= a1 == u64::MAX || a1 == 0 && a0 & 1 != 0;
                self.exit_request = true;
                Ok(0)
            }
            // Remote fences reach this hart only, and stores reach decoded code at once.
            (extension::RFENCE, 0) => Ok(0),
            (extension::RFENCE, 1 | 2) => {
                self.flush_translations(&|_| true);
                Ok(0)
            }
            (extension::HSM, 0) => Err(error::ALREADY_AVAILABLE),
            (extension::HSM, 2) if a0 == 0 => Ok(0),
            (extension::HSM, 2) => Err(error::INVALID_PARAM),
            (extension::SRST, 0) => {
                self.power =
                    Some(if a0 == 0 { PowerRequest::PowerOff } else { PowerRequest::Reboot });
                self.exit_request = true;
                Ok(0)
            }
            (extension::DBCN, _) => console(function, [a0, a1, a2], bus),
            _ => Err(error::NOT_SUPPORTED),
        };
        let (error, value) = match answer {
            Ok(value) => (0, value),
            Err(error) => (error, 0),
        };
        self.set_x(10, error as u64);
        self.set_x(11, value);
    }
}

fn base(function: u64, argument: u64) -> Answer {
    match function {
        0 => Ok(2 << 24),
        3 => Ok(u64::from(argument == extension::BASE || extension::PROBED.contains(&argument))),
        // Implementation and machine IDs: none registered.
        1 | 2 | 4..=6 => Ok(0),
        _ => Err(error::NOT_SUPPORTED),
    }
}

fn console(function: u64, [length, low, high]: [u64; 3], bus: &mut Bus<'_>) -> Answer {
    match function {
        0 => {
            let length = length.min(CONSOLE_CHUNK);
            if high != 0 {
                return Err(error::INVALID_PARAM);
            }
            let Bus { memory, host, .. } = bus;
            let shown = memory.pieces(low, length as usize, |bytes| host.debug_output(bytes));
            shown.map(|()| length).map_err(|_| error::INVALID_PARAM)
        }
        // Nothing is ever typed at the kernel's console.
        1 => Ok(0),
        2 => {
            bus.host.debug_output(&[length as u8]);
            Ok(0)
        }
        _ => Err(error::NOT_SUPPORTED),
    }
}
