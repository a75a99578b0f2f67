//! One process looked at in the way that is asked: [`profile`].
use crate::profile::{Kind, Profile};
use crate::request::Request;
use crate::sleeping::{self, Sleeping};
use crate::{Refusal, arch, kept, sampler};

/// Watches a process for the time asked and names where its weight lies. Waits for that time.
///
/// # Errors
/// There is no such process, or this user may not look into it.
pub fn profile(request: &Request) -> Result<Profile, Refusal> {
    if !arch::IS_SUPPORTED {
        return Err(Refusal::Architecture);
    }
    match request.kind {
        Kind::Waiting => Ok(Sleeping::capture(request.pid)?.named()),
        Kind::OffCpu => sleeping::over(request),
        Kind::MemoryKept => kept::profile(request),
        Kind::OnCpu | Kind::MemoryGrowth => sampler::sample(request),
    }
}
