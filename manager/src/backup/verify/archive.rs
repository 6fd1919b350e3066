//! An archive: read as a whole and, where that is asked for, checked as databases.

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use indicatif::{HumanBytes, ProgressBar};

use crate::backup::archive::{Archive, Sink};
use crate::backup::folder::{Folder, remove};
use crate::backup::host::{self, Host};
use crate::backup::manifest::{self, Copy, Manifest};
use crate::backup::report;
use crate::backup::work::{Interrupt, bar, blocking};
use crate::context::{Context, Failure};
use crate::output::print;

/// Exit code of `lcnode check` for a damaged database.
const DAMAGED: i32 = 2;

/// Verifies an archive.
pub async fn verify(
    path: PathBuf,
    deep: bool,
    temp: Option<PathBuf>,
    context: &Context,
) -> Result<ExitCode, Failure> {
    let mut archive = match Archive::open(&path) {
        Ok(archive) => archive,
        Err(error) => return error.outcome(),
    };
    let interrupt = Interrupt::watch()?;
    // Checks need no cluster, but its file may name the program.
    let program = match context.cluster() {
        Ok(cluster) => host::program(&cluster, &Host::Here),
        Err(_) => host::found(&Host::Here),
    };
    let bar = bar(archive.manifest.bytes());
    let read = {
        let bar = bar.clone();
        blocking(move || {
            let manifest = archive.manifest.clone();
            let (mut damages, mut checked) = (Vec::new(), Vec::new());
            if deep {
                let folder = temp.unwrap_or_else(std::env::temp_dir);
                let folder = folder.join(format!("lcmgr-verify-{}", std::process::id()));
                let unpacked = Folder::new(&folder, &manifest, &bar, &interrupt);
                let read = unpacked.and_then(|folder| {
                    let mut deep = Deep { folder, program, damages: Vec::new() };
                    let read = archive.read(&mut deep)?;
                    checked = std::mem::take(&mut deep.damages);
                    Ok(read)
                });
                remove(&folder)?;
                damages.extend(read?);
            } else {
                damages.extend(archive.read(&mut Plain { bar: &bar, interrupt: &interrupt })?);
            }
            damages.extend(checked);
            Ok((manifest, damages))
        })
    };
    let read: Result<(Manifest, Vec<String>), Failure> = read.await;
    bar.finish_and_clear();
    let (manifest, damages) = read?;
    let shown = path.display();
    if !damages.is_empty() {
        for damage in &damages {
            eprintln!("lcmgr: {damage}");
        }
        print(&format!("{shown} is damaged: use another backup\n"))?;
        return Ok(ExitCode::from(2));
    }
    print(&report::of(&manifest)?)?;
    let how = if deep { ", and each database is sound" } else { "" };
    print(&format!(
        "{shown} is sound{how}: made {} by {}, {} databases, {}\n",
        manifest.made,
        manifest.program,
        manifest.copies.len(),
        HumanBytes(manifest.bytes())
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Only lets everything pass.
struct Plain<'p> {
    bar: &'p ProgressBar,
    interrupt: &'p Interrupt,
}

impl Sink for Plain<'_> {
    fn begin(&mut self, copy: &Copy) -> Result<(), Failure> {
        self.bar.set_message(copy.server.clone());
        Ok(())
    }

    fn file(&mut self, _: &Copy, _: &manifest::File) -> Result<(), Failure> {
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.bar.inc(bytes.len() as u64);
        self.interrupt.check()
    }

    fn end(&mut self, _: &Copy, _: bool) -> Result<(), Failure> {
        Ok(())
    }
}

/// Unpacks each database, has it checked and removes it.
struct Deep<'d> {
    folder: Folder<'d>,
    program: PathBuf,
    damages: Vec<String>,
}

impl Sink for Deep<'_> {
    fn begin(&mut self, copy: &Copy) -> Result<(), Failure> {
        self.folder.begin(copy)
    }

    fn file(&mut self, copy: &Copy, file: &manifest::File) -> Result<(), Failure> {
        self.folder.file(copy, file)
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.folder.bytes(bytes)
    }

    fn end(&mut self, copy: &Copy, is_sound: bool) -> Result<(), Failure> {
        self.folder.end(copy, is_sound)?;
        let database = self.folder.unfinished(&copy.folder());
        let program = self.program.display();
        let output = Command::new(&self.program).arg("check").arg(&database).stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("cannot run {program} check: {error}"))?;
        let said = [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat();
        let said = said.replace(&database.display().to_string(), &copy.folder());
        match output.status.code() {
            Some(DAMAGED) => self.damages.extend(said.lines().map(str::to_owned)),
            // Sound, but for what the next start mends by itself.
            Some(0 | 3) => {}
            _ => return Err(format!("{program} check: {}: {}", output.status, said.trim()).into()),
        }
        remove(&database)
    }
}
