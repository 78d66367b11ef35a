//! The parameters of an OAuth request: a form in the body. No parameter can be repeated (RFC 6749 §3.2); unknown and
//! empty ones are ignored. The query is never read.

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use zeroize::Zeroizing;

use super::bad_request;
use crate::http::body;
use crate::http::problem::Problem;

/// The parameters. A value can be a key, so values are wiped when they are dropped.
pub struct Form(Vec<(String, Zeroizing<String>)>);

impl Form {
    pub async fn read(request: &HttpRequest, payload: &mut Payload) -> Result<Self, Problem> {
        if body::media_type(request).as_deref() != Some("application/x-www-form-urlencoded") {
            let detail = "Send a form, with Content-Type: application/x-www-form-urlencoded.";
            return Err(bad_request("invalid_request", detail));
        }
        Self::parse(&body::read(request, payload).await?)
    }

    fn parse(body: &[u8]) -> Result<Self, Problem> {
        let mut parameters: Vec<(String, Zeroizing<String>)> = Vec::new();
        let fields = body::fields(body).map_err(|problem| bad_request("invalid_request", problem.detail))?;
        for (name, value) in fields {
            if parameters.iter().any(|(own, _)| *own == name) {
                return Err(bad_request("invalid_request", "A parameter is repeated. Send each only once."));
            }
            parameters.push((name.into_owned(), Zeroizing::new(value.into_owned())));
        }
        Ok(Form(parameters))
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(own, _)| own == name)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }

    pub fn must(&self, name: &'static str) -> Result<&str, Problem> {
        self.text(name).ok_or_else(|| {
            bad_request("invalid_request", format!("The parameter {name} is missing. Send it in the form."))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_may_appear_once_and_an_empty_one_is_ignored() {
        let form = Form::parse(b"token=a%20b&scope=&x=1").ok().unwrap();
        assert_eq!((form.text("token"), form.text("scope"), form.text("y")), (Some("a b"), None, None));
        assert_eq!(form.must("scope").unwrap_err().oauth, Some("invalid_request"));
        for twice in ["token=a&token=b", "token=a&token=a", "scope=&scope=", "x=1&x=1", "t%6fken=a&token=b"] {
            assert_eq!(Form::parse(twice.as_bytes()).err().unwrap().oauth, Some("invalid_request"), "{twice}");
        }
    }
}
