//! How lists show a person: the initials and the part of the email before the `@`.

/// `ben.okafor` of `ben.okafor@example.com`.
pub fn local_part(email: &str) -> &str {
    email.split('@').next().unwrap_or(email)
}

/// Two characters: of the first two words before the `@`, or the first two of a single word. The style sheet puts them
/// in upper case.
pub fn initials(email: &str) -> String {
    let words: Vec<&str> =
        local_part(email).split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    match words[..] {
        [] => "?".to_owned(),
        [word] => word.chars().take(2).collect(),
        [first, second, ..] => first.chars().take(1).chain(second.chars().take(1)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_known_by_two_letters_and_the_local_part() {
        for (email, letters, local) in [
            ("ben.okafor@example.com", "bo", "ben.okafor"),
            ("ada@example.com", "ad", "ada"),
            ("x@example.com", "x", "x"),
            ("maria-luisa_rossi+keys@example.com", "ml", "maria-luisa_rossi+keys"),
            ("élodie.öz@example.com", "éö", "élodie.öz"),
            ("_@example.com", "?", "_"),
        ] {
            assert_eq!((initials(email).as_str(), local_part(email)), (letters, local));
        }
    }
}
