//! The functions on both sides of translated code, and their types in Rust: whoever has such a
//! function can have the compiler check it (`const _: Invoke = c2w_invoke;`).

use crate::signature::{Signature, Value};

/// A translated function: virtual address of the region's first page, which of its entries, and how
/// many calls it may be deep. Returns the address at which to go on.
pub type Region = extern "C" fn(base: u64, entry: u32, depth: u32) -> u64;

/// The type of [`Region`]; such functions have no names.
pub const REGION: Signature =
    Signature { name: "region", parameters: &[u64::TYPE, u32::TYPE, u32::TYPE], result: u64::TYPE };

/// Makes of each helper a field of [`Helpers`], a row of [`HELPERS`] and a type of function.
macro_rules! helpers {
    ($(
        $(#[$documentation:meta])*
        $field:ident: $ty:ident = $name:literal ($($parameter:ident: $of:ty),*) -> $result:ty;
    )*) => {
        /// One of something for each function of the runtime that translated code calls.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Helpers<T> {
            $($(#[$documentation])* pub $field: T,)*
        }

        $($(#[$documentation])* pub type $ty = extern "C" fn($($parameter: $of),*) -> $result;)*

        /// Their names and types.
        pub const HELPERS: Helpers<Signature> = Helpers {
            $($field: Signature {
                name: $name,
                parameters: &[$(<$of>::TYPE),*],
                result: <$result>::TYPE,
            },)*
        };

        impl<T> Helpers<T> {
            /// Makes something else of each, in the order of the fields.
            ///
            /// # Errors
            /// The first of `make`'s.
            pub fn try_map<U, E>(
                &self,
                mut make: impl FnMut(&T) -> Result<U, E>,
            ) -> Result<Helpers<U>, E> {
                Ok(Helpers { $($field: make(&self.$field)?,)* })
            }
        }
    };
}

helpers! {
    /// Enters the region that starts at `pc`. Returns where it came to, or `pc` when there is none
    /// or `depth` is used up.
    invoke: Invoke = "c2w_invoke" (pc: u64, depth: u32) -> u64;
    /// Changes `sstatus` and gives the old value, or -1 if it cannot.
    status: Status = "c2w_status" (change: u32, operand: u64) -> u64;
    /// Goes on at `pc` until control comes to `return_site`. Returns that, or another address,
    /// which the caller is to return.
    resume: Resume = "c2w_resume" (pc: u64, return_site: u64, depth: u32) -> u64;
    /// Does the environment call at `pc`, with what follows in the kernel. Returns the address
    /// behind it, or another one, which the caller is to return.
    system_call: SystemCall = "c2w_system_call" (pc: u64, depth: u32) -> u64;
    /// Makes the TLB entry for an access to `size` bytes; 0 if it cannot.
    map: Map = "c2w_map" (address: u64, size: u32, write: u32) -> u32;
    /// `a * b + c`, or NaN if that is not exact enough to be told.
    fma32: Fma32 = "c2w_fma32" (a: f32, b: f32, c: f32) -> f32;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ValueType::{F32, I32, I64};

    #[test]
    fn types_are_webassemblys() {
        let types = |signature: Signature| (signature.parameters, signature.result);
        assert_eq!(types(REGION), (&[I64, I32, I32][..], I64));
        assert_eq!(types(HELPERS.map), (&[I64, I32, I32][..], I32));
        assert_eq!(types(HELPERS.fma32), (&[F32; 3][..], F32));
        assert_eq!(HELPERS.resume.name, "c2w_resume");
    }

    #[test]
    fn the_first_error_ends_the_mapping() {
        let names = HELPERS.try_map(|helper| Ok::<_, ()>(helper.name)).unwrap();
        assert_eq!((names.invoke, names.fma32), ("c2w_invoke", "c2w_fma32"));
        let failed = HELPERS
            .try_map(|helper| if helper.parameters.len() == 3 { Err(helper.name) } else { Ok(0) });
        assert_eq!(failed, Err("c2w_resume"));
    }
}
