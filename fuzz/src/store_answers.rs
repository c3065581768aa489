use std::{cell::RefCell, sync::LazyLock, time::Duration};

use secure_runtime_loaders::{
    ContentHash, HttpStore, LocalStore, Store, StoreError,
    store::{HttpOptions, OUTBOARD_ABOVE},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
};

use crate::Outcome;

/// A blob of three groups, the last one partial, and its outboard.
struct Blob {
    bytes: Vec<u8>,
    hash: ContentHash,
    outboard: Vec<u8>,
}

static BLOB: LazyLock<Blob> = LazyLock::new(|| {
    let bytes: Vec<u8> = (0..40_000_u32).map(|number| (number / 7) as u8).collect();
    let hash = ContentHash::of(&bytes);
    Blob {
        outboard: outboard(&bytes),
        bytes,
        hash,
    }
});

/// Implements STORE-13 independently: the size, then the two hashes of each inner node down to groups of 16
/// KiB.
fn outboard(bytes: &[u8]) -> Vec<u8> {
    use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root};
    const GROUP: usize = 16 * 1024;
    let group = |number: usize| {
        let end = bytes.len().min((number + 1) * GROUP);
        let mut hasher = blake3::Hasher::new();
        hasher.set_input_offset((number * GROUP) as u64);
        hasher.update(&bytes[number * GROUP..end]).finalize_non_root()
    };
    let (first, second, third) = (group(0), group(1), group(2));
    let left = merge_subtrees_non_root(&first, &second, Mode::Hash);
    let size = (bytes.len() as u64).to_le_bytes();
    [&size[..], &left, &third, &first, &second].concat()
}

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().enable_all().build().unwrap();
    static FOLDER: RefCell<Option<tempfile::TempDir>> = const { RefCell::new(None) };
}

/// Uses the input as the responses of a server. The client must return exactly the blob, or an error of one
/// line, and the files that it keeps must be valid.
///
/// `\n--\n` separates the responses: for the outboard, for the blob, for a range of it, and for a signature. In
/// them, bytes below 8 are replaced by parts of the blob: see [`expanded`].
pub fn store_answers(data: &[u8]) -> Outcome {
    let answers: Vec<Vec<u8>> = split(data).into_iter().map(expanded).collect();
    RUNTIME.with(|runtime| runtime.block_on(check(&answers)))
}

async fn check(answers: &[Vec<u8>]) -> Outcome {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let options = HttpOptions {
        timeout: Duration::from_secs(5),
        attempts: 2,
        pause: Duration::ZERO,
    };
    let store = HttpStore::with_options(&address, options).unwrap();
    tokio::select! {
        () = serve(&listener, answers) => unreachable!("the server answers for ever"),
        outcome = ask(&store) => outcome,
    }
}

async fn ask(store: &HttpStore) -> Outcome {
    let small = store
        .get(&BLOB.hash, 100_000)
        .await
        .map(|got| assert_eq!(got, BLOB.bytes));
    let verified = store.get(&BLOB.hash, OUTBOARD_ABOVE + 1).await;
    let verified = verified.map(|got| assert_eq!(got, BLOB.bytes));
    let short = store
        .get(&BLOB.hash, 30_000)
        .await
        .map(|_| panic!("more than was acceptable"));
    let signature = store.signature(&BLOB.hash, &[1; 32]).await;
    let signature = signature.map(|found| assert!(found.bytes.len() < 1 << 20));
    let local = FOLDER.with_borrow_mut(|folder| {
        let path = folder.get_or_insert_with(new_folder).path();
        let _ = std::fs::remove_dir_all(path.join("store"));
        LocalStore::create(path.join("store")).unwrap()
    });
    // The second fetch continues with the files that the first one kept.
    let first = fetch(store, &local).await;
    let second = fetch(store, &local).await;
    let errors = [&small, &verified, &short, &signature, &first, &second];
    for error in errors.iter().filter_map(|result| result.as_ref().err()) {
        let message = error.to_string();
        assert!(!message.chars().any(char::is_control), "{message:?}");
    }
    let kinds = errors.map(|result| result.as_ref().map_or_else(class, |()| "right ".to_owned()));
    Outcome::of(&format_args!("{}", kinds.concat()))
}

/// Creates a folder, in memory if possible, because the client flushes its files.
fn new_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    folder.unwrap()
}

async fn fetch(store: &HttpStore, local: &LocalStore) -> Result<(), StoreError> {
    let fetched = store.fetch(&BLOB.hash, 100_000, local, &|_, _| ()).await;
    match &fetched {
        Ok(size) => {
            assert_eq!(*size, BLOB.bytes.len() as u64);
            assert_eq!(local.check(&BLOB.hash), Ok(*size));
        }
        Err(_) => assert!(!local.contains(&BLOB.hash), "{fetched:?}"),
    }
    fetched.map(|_| ())
}

/// Returns the error's text without hashes, and without the part that begins with the server's address.
fn class(error: &StoreError) -> String {
    let text = error.to_string().replace(&BLOB.hash.to_string(), "");
    let words = text.split(' ').filter(|word| !word.contains("http://"));
    words.flat_map(|word| [word, " "]).collect()
}

async fn serve(listener: &TcpListener, answers: &[Vec<u8>]) {
    let mut connections = futures_util::stream::FuturesUnordered::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((connection, _)) = accepted {
                    connections.push(answer(connection, answers));
                }
            }
            Some(()) = futures_util::StreamExt::next(&mut connections) => {}
        }
    }
}

async fn answer(mut connection: TcpStream, answers: &[Vec<u8>]) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match connection.read_u8().await {
            Ok(byte) => request.push(byte),
            Err(_) => return,
        }
    }
    let request = String::from_utf8_lossy(&request).to_lowercase();
    let number = match request.split('/').nth(1) {
        Some("outboards") => 0,
        Some("signatures") => 3,
        _ if request.contains("\r\nrange:") => 2,
        _ => 1,
    };
    // The client may close the connection early.
    let _ = connection
        .write_all(answers.get(number).map_or(b"", Vec::as_slice))
        .await;
    let _ = connection.shutdown().await;
}

fn split(data: &[u8]) -> Vec<&[u8]> {
    const BETWEEN: &[u8] = b"\n--\n";
    let (mut parts, mut rest) = (Vec::new(), data);
    while let Some(place) = rest.windows(BETWEEN.len()).position(|window| window == BETWEEN) {
        parts.push(&rest[..place]);
        rest = &rest[place + BETWEEN.len()..];
    }
    parts.push(rest);
    parts
}

/// Replaces bytes in a response:
///
/// - 1: the blob;
/// - 2: the outboard;
/// - 3: the blob from byte 20,000 on;
/// - 4: the blob with a changed byte, at a position that the next byte chooses;
/// - 5: the outboard with a changed byte, at a position that the next byte chooses;
/// - 6: the first 20,000 bytes of the blob;
/// - 7: the first 70 bytes of the outboard.
fn expanded(answer: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = answer.iter().copied();
    while let Some(byte) = rest.next() {
        match byte {
            1 => bytes.extend_from_slice(&BLOB.bytes),
            2 => bytes.extend_from_slice(&BLOB.outboard),
            3 => bytes.extend_from_slice(&BLOB.bytes[20_000..]),
            4 => bytes.extend(changed(&BLOB.bytes, rest.next())),
            5 => bytes.extend(changed(&BLOB.outboard, rest.next())),
            6 => bytes.extend_from_slice(&BLOB.bytes[..20_000]),
            7 => bytes.extend_from_slice(&BLOB.outboard[..70]),
            byte => bytes.push(byte),
        }
    }
    bytes
}

fn changed(bytes: &[u8], place: Option<u8>) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let place = usize::from(place.unwrap_or(0)) * bytes.len() / 256;
    bytes[place] ^= 1;
    bytes
}
