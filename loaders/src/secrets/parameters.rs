//! Parameters of addresses whose values are secrets, by their names.

use std::ops::Range;

/// Words in the name of a parameter that mark its value as a secret: `access_key`, `X-Amz-Signature`, `idToken`.
const SECRET_WORDS: [&str; 27] = [
    "apikey",
    "accesskey",
    "assertion",
    "auth",
    "authkey",
    "authorization",
    "bearer",
    "creds",
    "hmac",
    "jwt",
    "key",
    "otp",
    "pass",
    "passcode",
    "pin",
    "privatekey",
    "pw",
    "pwd",
    "samlresponse",
    "sas",
    "secretkey",
    "session",
    "sessionid",
    "sessionkey",
    "sid",
    "sig",
    "ticket",
];

/// Words that do so also at the end of a word: `authtoken`, `clientsecret`.
const SECRET_ENDINGS: [&str; 7] = [
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "signature",
    "credential",
];

/// Words that mark a secret only as the whole name: a `status_code` is not a secret.
const SECRET_NAMES: [&str; 1] = ["code"];

/// Returns the positions of the names and values of secret parameters, which follow the first `?` or `#`.
pub(super) fn parameters(word: &str) -> Vec<(Range<usize>, Range<usize>)> {
    let mut found = Vec::new();
    let Some(query) = word.find(['?', '#']) else {
        return found;
    };
    let mut start = query + 1;
    for parameter in word.get(start..).unwrap_or_default().split(['?', '#', '&', ';']) {
        let end = start + parameter.len();
        if let Some((name, value)) = parameter.split_once('=')
            && !value.is_empty()
            && is_secret_name(name)
        {
            found.push((start..start + name.len(), end - value.len()..end));
        }
        start = end + 1;
    }
    found
}

/// Returns true if the value of a parameter with this name is a secret.
fn is_secret_name(name: &str) -> bool {
    let words = words_of(name);
    if let [word] = words.as_slice()
        && SECRET_NAMES.contains(&word.as_str())
    {
        return true;
    }
    words.iter().any(|word| {
        // `key2`, `tokens`
        let word = word.trim_end_matches(|character: char| character.is_ascii_digit());
        let one = word.strip_suffix('s').unwrap_or(word);
        [word, one].iter().any(|word| {
            SECRET_WORDS.contains(word) || SECRET_ENDINGS.iter().any(|ending| word.ends_with(ending))
        })
    })
}

/// The words of a name in small letters: `X-Amz-Signature`, `access_key`, `APIKey`, `user[idToken]`.
fn words_of(name: &str) -> Vec<String> {
    let (mut words, mut word) = (Vec::new(), String::new());
    let characters: Vec<char> = name.chars().collect();
    for (index, character) in characters.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| characters.get(before));
        let is_upper = |character: Option<&char>| character.is_some_and(|character| character.is_uppercase());
        let is_lower = |character: Option<&char>| character.is_some_and(|character| character.is_lowercase());
        let begins = !character.is_alphanumeric()
            || character.is_uppercase() && (!is_upper(before) || is_lower(characters.get(index + 1)));
        if begins && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if character.is_alphanumeric() {
            word.extend(character.to_lowercase());
        }
    }
    words.extend(Some(word).filter(|word| !word.is_empty()));
    words
}

#[cfg(test)]
mod tests {
    use super::super::{NOT_SHOWN, hide, secret_parameters};

    #[test]
    fn parameters_are_secret_by_the_words_of_their_names() {
        for name in [
            "access_key",
            "X-Amz-Signature",
            "X-Amz-Security-Token",
            "X-Amz-Credential",
            "jwt",
            "secret_key",
            "client_secret",
            "refresh_token",
            "id_token",
            "private_token",
            "auth",
            "sas",
            "sig",
            "pass",
            "pwd",
            "code",
            "sessionId",
            "session",
            "authToken",
            "authtoken",
            "APIKey",
            "apikey",
            "AWSAccessKeyId",
            "api.key",
            "user[password]",
            "key2",
            "tokens",
            "SharedAccessSignature",
            "credentials",
            "auth_code",
            "Token",
        ] {
            let shown = hide(&format!("https://host/a?b=1&{name}=abc#c")).into_owned();
            assert_eq!(shown, format!("https://host/a?b=1&{name}={NOT_SHOWN}#c"));
            assert_eq!(
                secret_parameters(&format!("x https://host/?{name}=abc&b=1")),
                [format!("{name}=abc")]
            );
        }
        for name in [
            "author",
            "keyword",
            "keyboard",
            "monkey",
            "tokenizer",
            "compass",
            "passage",
            "signal",
            "design",
            "status_code",
            "country-code",
            "codec",
            "secretary",
            "version",
            "side",
            "x",
            "",
            "pinned",
            "sort",
        ] {
            let text = format!("https://host/a?{name}=abc");
            assert_eq!(hide(&text), text);
        }
    }
}
