//! Creates the database of the example in a folder: `create-shop FOLDER`.

use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: create-shop FOLDER")?);
    std::fs::create_dir_all(&folder)?;
    let file = folder.join("shop.db");
    if file.exists() {
        return Err(format!("{} exists already", file.display()).into());
    }
    rusqlite::Connection::open(&file)?.execute_batch(include_str!("../../shop.sql"))?;
    println!("created {}", file.display());
    Ok(())
}
