//! Signatures of operations, where a board asks for them: an actor's name is then worth as much as their key.
//!
//! Owns what is signed and whom a verifier trusts. Keys are OpenSSH's, and so is the work: `ssh-keygen -Y`. Nothing that
//! is fetched can say which key is whose; that stands in a file of the verifier.
//!
//! Source: ssh-keygen(1), `-Y sign` and `-Y verify`, `ALLOWED SIGNERS`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::failure::Failure;
use crate::board::Settings;
use crate::board::repository::{expanded, find_program, signing_environment};
use crate::model::code::ErrorCode;
use crate::model::config::{Agent, BoardConfig};
use crate::model::operation::Operation;
use crate::model::vocabulary::IdentityPolicy;
use crate::runner::command::{Call, Ran, run_together};

/// What keeps a signature from meaning anything else.
const NAMESPACE: &str = "squad-op";

/// Longest wait for a signature: an agent of keys may ask a person for a passphrase.
const SIGNING_LIMIT: Duration = Duration::from_secs(120);

const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";

/// Signs an operation, if the board asks for it.
///
/// # Errors
/// [`Failure`] `not-permitted` where there is no key to sign with, or it cannot be used.
pub(super) fn sign(
    operation: Operation,
    config: &BoardConfig,
    settings: &Settings,
    dir: &Path,
) -> Result<Operation, Failure> {
    if config.policy.identity != IdentityPolicy::Signature || operation.signature.is_some() {
        return Ok(operation);
    }
    let refused = |why: String| {
        Failure::new(ErrorCode::NotPermitted, "this board wants operations to be signed, and this one could not be")
            .why(why)
            .hint("`git config squad.signingKey ~/.ssh/id_ed25519` names the key; `user.signingKey` is used where git signs with SSH")
    };
    let by_ssh = settings.get("gpg.format").is_some_and(|format| format == "ssh");
    let named = settings.get("squad.signingKey").or_else(|| settings.get("user.signingKey").filter(|_| by_ssh));
    let key = named.ok_or_else(|| refused("no key is named".to_owned()))?;
    let text = operation.signed_text();
    let mut held = None;
    let mut args = vec!["-Y".to_owned(), "sign".to_owned(), "-n".to_owned(), NAMESPACE.to_owned(), "-f".to_owned()];
    match key.strip_prefix("key::").or_else(|| Some(key).filter(|key| key.starts_with("ssh-"))) {
        // The key itself, public: an agent has the other half.
        Some(public) => {
            let file = held.insert(written(public).map_err(|error| refused(error.to_string()))?);
            args.push(file.path().display().to_string());
            args.push("-U".to_owned());
        }
        None => args.push(expanded(key).display().to_string()),
    }
    let ran = keygen(args, text.into_bytes(), dir).map_err(refused)?;
    let armored = String::from_utf8_lossy(&ran.stdout).into_owned();
    let body = armored.trim().strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END));
    match body.filter(|_| ran.code == Some(0)) {
        Some(body) => Ok(Operation { signature: Some(body.split_whitespace().collect()), ..operation }),
        None => Err(refused(words(&ran))),
    }
}

/// Whom a verifier trusts.
pub(super) struct Signers {
    file: PathBuf,
}

impl Signers {
    /// Returns those that the settings of this clone name.
    pub fn of(settings: &Settings) -> Option<Self> {
        let named = settings.get("squad.allowedSigners").or_else(|| settings.get("gpg.ssh.allowedSignersFile"))?;
        Some(Self { file: expanded(named) })
    }

    /// Looks whether an operation is signed by its actor.
    ///
    /// # Errors
    /// Why it is not, in a sentence.
    pub fn verify(&self, operation: &Operation, actor: &Agent, dir: &Path) -> Result<(), String> {
        let signature = operation.signature.as_deref().ok_or("it is not signed")?;
        // In lines as OpenSSH writes them; a line end would be a second one.
        if !signature.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte)) {
            return Err("its signature is none".to_owned());
        }
        let lines: Vec<&str> =
            (0..signature.len()).step_by(70).map(|at| &signature[at..signature.len().min(at + 70)]).collect();
        let armored = written(&format!("{BEGIN}\n{}\n{END}\n", lines.join("\n"))).map_err(|error| error.to_string())?;
        let mut last = String::new();
        for principal in actor.email.iter().map(String::as_str).chain([actor.name.as_str()]) {
            let args = ["-Y", "verify", "-n", NAMESPACE, "-f"].map(str::to_owned).into_iter();
            let file = self.file.display().to_string();
            let more =
                [file, "-I".to_owned(), principal.to_owned(), "-s".to_owned(), armored.path().display().to_string()];
            let ran = keygen(args.chain(more).collect(), operation.signed_text().into_bytes(), dir)?;
            if ran.code == Some(0) {
                return Ok(());
            }
            last = words(&ran);
        }
        Err(format!("its signature is not one of {}: {last}", actor.name))
    }
}

fn keygen(args: Vec<String>, stdin: Vec<u8>, dir: &Path) -> Result<Ran, String> {
    let program = find_program("ssh-keygen").ok_or("there is no ssh-keygen on PATH")?;
    let call = Call { program, args, dir: dir.to_owned(), env: signing_environment(), stdin };
    let mut ran = run_together(&[call], SIGNING_LIMIT).map_err(|error| error.to_string())?;
    ran.pop().ok_or_else(|| "it did not run".to_owned())
}

/// Returns the last thing that a program said.
fn words(ran: &Ran) -> String {
    let said = if ran.stderr.is_empty() { &ran.stdout } else { &ran.stderr };
    let text = String::from_utf8_lossy(said);
    text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("ssh-keygen says nothing").trim().to_owned()
}

fn written(text: &str) -> std::io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.flush()?;
    Ok(file)
}
