//! The process table in one read, from the kernel's task iterator instead of a file per process; who holds which TCP
//! socket in another, from its iterator of open files.

use std::io::Read;

use aya::Ebpf;
use aya::programs::Iter;

use crate::Error;
use crate::intf::{Plain, SocketRow, TaskRow};
use crate::load::Kernel;
use crate::programs::Object;

/// The iterators.
const TASKS: &str = "task_rows";
const SOCKETS: &str = "socket_rows";
/// Bytes a read asks for. The kernel hands out at most eight pages a call, filled with whole records.
const CHUNK: usize = 32 * 1024;

impl Kernel {
    /// Appends a row for every thread to `rows` until these are `max`, kernel threads too, in no promised order; false
    /// if there were more.
    ///
    /// Errors: [`Object::Tasks`] is not loaded, or the kernel refuses the pass.
    pub fn tasks_into(&mut self, rows: &mut Vec<TaskRow>, max: usize) -> Result<bool, Error> {
        self.pass(TASKS, rows, max)
    }

    /// Appends a row for every descriptor of every process that is a TCP socket, of any network namespace, until these
    /// are `max`, in order of process; false if there were more.
    ///
    /// Errors: as above.
    pub fn sockets_into(&mut self, rows: &mut Vec<SocketRow>, max: usize) -> Result<bool, Error> {
        self.pass(SOCKETS, rows, max)
    }

    fn pass<R: Plain>(&mut self, program: &str, rows: &mut Vec<R>, max: usize) -> Result<bool, Error> {
        let loaded = self.loaded.iter_mut().find(|one| one.object == Object::Tasks);
        let loaded = loaded.ok_or_else(|| Error::NotLoaded(program.to_owned()))?;
        read_pass((&mut loaded.ebpf, program), &mut self.tasks_buffer, rows, max)
    }
}

/// One pass, until `rows` are `max`; false if there were more.
fn read_pass<R: Plain>(
    (ebpf, program): (&mut Ebpf, &str),
    buffer: &mut Vec<u8>,
    rows: &mut Vec<R>,
    max: usize,
) -> Result<bool, Error> {
    let failed = |e: &dyn std::fmt::Display| Error::Tasks(e.to_string());
    let mut file = open(ebpf, program).map_err(|e| failed(&e))?;
    buffer.resize(CHUNK, 0);
    let mut kept = 0;
    loop {
        let read = file.read(&mut buffer[kept..]).map_err(|e| failed(&e))?;
        if read == 0 {
            return Ok(true);
        }
        let (end, size) = (kept + read, size_of::<R>());
        rows.extend(buffer[..end].chunks_exact(size).filter_map(R::from_bytes));
        if rows.len() >= max {
            return Ok(false);
        }
        // A record may be cut by the end of a read: keep its beginning.
        kept = end % size;
        buffer.copy_within(end - kept..end, 0);
    }
}

/// A new pass.
fn open(ebpf: &mut Ebpf, program: &str) -> Result<std::fs::File, Box<dyn std::error::Error>> {
    let program: &mut Iter = ebpf.program_mut(program).ok_or("the program is gone")?.try_into()?;
    let id = program.attach()?;
    Ok(program.take_link(id)?.into_file()?)
}
