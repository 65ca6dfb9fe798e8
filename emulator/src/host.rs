//! What a machine asks of the world around it. The native build, the WASI build and the tests
//! each bring their own.

/// A port of the virtio console, by its index in [`crate::BootConfig::ports`].
pub type PortId = usize;

/// The host of a machine.
pub trait Host {
    /// A monotonic clock in nanoseconds. Only asked when the machine runs on host time.
    fn monotonic_ns(&mut self) -> u64;

    /// The wall clock: nanoseconds since 1970-01-01T00:00:00Z, for the real-time clock device.
    fn realtime_ns(&mut self) -> u64;

    /// Fills `buffer` with entropy for the virtio-rng device.
    fn entropy(&mut self, buffer: &mut [u8]);

    /// Bytes that the guest wrote to a console port. The host takes them all.
    fn port_output(&mut self, port: PortId, bytes: &[u8]);

    /// Bytes of the kernel's own console (SBI DBCN).
    fn debug_output(&mut self, bytes: &[u8]);
}
