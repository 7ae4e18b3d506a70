//! Small disks, disks that cannot be written to, and one that loses its power. For root on Linux.
#![cfg(target_os = "linux")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Longest wait for those who still have a file open on a disk that has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// A file system that is mounted for as long as this lives.
pub struct Mount {
    at: PathBuf,
}

impl Mount {
    /// Mounts an empty disk of so many KiB; `None` where this machine does not let us.
    pub fn small(at: &Path, kib: usize) -> Option<Self> {
        std::fs::create_dir_all(at).expect("a folder");
        let size = format!("size={kib}k");
        mount(&["-t", "tmpfs", "-o", &size, "squad-it"], at).then(|| Self { at: at.to_owned() })
    }

    /// Makes a folder read-only, for root too; `None` where this machine does not let us.
    pub fn read_only(at: &Path) -> Option<Self> {
        let path = at.to_str().expect("a path of a test is text");
        if !mount(&["--bind", path], at) {
            return None;
        }
        let mounted = Self { at: at.to_owned() };
        mount(&["-o", "remount,ro,bind"], at).then_some(mounted)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        unmount(&self.at);
    }
}

/// A disk in a file, with a file system that can be cut off.
pub struct Image {
    file: PathBuf,
    at: PathBuf,
}

impl Image {
    /// Makes and mounts a disk of 256 MiB; `None` where this machine does not let us.
    pub fn new(folder: &Path) -> Option<Self> {
        let image = Self { file: folder.join("disk.img"), at: folder.join("disk") };
        File::create(&image.file).and_then(|file| file.set_len(256 << 20)).expect("a file");
        std::fs::create_dir_all(&image.at).expect("a folder");
        let made = Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image.file).status();
        (made.is_ok_and(|made| made.success()) && image.mount()).then_some(image)
    }

    fn mount(&self) -> bool {
        let file = self.file.to_str().expect("a path of a test is text");
        mount(&["-t", "ext4", "-o", "loop", file], &self.at)
    }

    /// Returns where it is mounted.
    pub fn path(&self) -> &Path {
        &self.at
    }

    /// Ends it as a power failure does: nothing that waits to be written is, the journal included. Whoever still works
    /// there meets errors from here on.
    pub fn cut(&self) {
        /// `EXT4_IOC_SHUTDOWN`, and its way of not flushing the log; from the kernel's `fs/ext4/ext4.h`.
        const SHUTDOWN: rustix::ioctl::Opcode = 0x8004_587d;
        const NO_LOG_FLUSH: u32 = 2;
        let disk = File::open(&self.at).expect("it is mounted");
        // SAFETY: the call reads one u32 through the pointer that it is given, and keeps nothing of it.
        let cut = unsafe { rustix::ioctl::ioctl(&disk, rustix::ioctl::Setter::<SHUTDOWN, u32>::new(NO_LOG_FLUSH)) };
        cut.expect("ext4 can be shut down by root");
    }

    /// Mounts what the power failure has left. Nobody may work there any more: a disk that is in use on both sides of
    /// the failure is none that a machine ever sees.
    pub fn power_up(&self) {
        let until = Instant::now() + PATIENCE;
        while !unmounted(&self.at) {
            assert!(Instant::now() < until, "somebody does not leave the disk");
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(self.mount(), "what a power failure leaves can be mounted");
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        unmount(&self.at);
    }
}

fn mount(args: &[&str], at: &Path) -> bool {
    let output = Command::new("mount").args(args).arg(at).output();
    output.is_ok_and(|output| output.status.success())
}

fn unmounted(at: &Path) -> bool {
    Command::new("umount").arg(at).output().is_ok_and(|output| output.status.success())
}

fn unmount(at: &Path) {
    // Lazily, where somebody still stands in it: the folder is removed with the room, and must be empty by then.
    if !unmounted(at) {
        let _ = Command::new("umount").arg("-l").arg(at).output();
    }
}
