//! Table `interfaces`.
use alloc::sync::Arc;

table! {
    /// One network interface.
    interfaces => Interface {
        /// Its name.
        name: Arc<str> => None,
        /// Whether it has a carrier.
        is_up: Option<bool> => Boolean,
        /// Bytes received.
        receive_bytes_per_s: Option<f64> => BytesPerSecond,
        /// Packets received.
        receive_packets_per_s: Option<f64> => PerSecond,
        /// Errors and drops on receipt.
        receive_errors_per_s: Option<f64> => PerSecond,
        /// Bytes sent.
        send_bytes_per_s: Option<f64> => BytesPerSecond,
        /// Packets sent.
        send_packets_per_s: Option<f64> => PerSecond,
        /// Errors and drops on sending.
        send_errors_per_s: Option<f64> => PerSecond,
    }
}
