//! An OpenID Connect provider on a port of its own, as bad as a test needs it.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

/// A running provider; it stops when dropped.
pub struct Provider {
    /// Its issuer, as a rule where it listens.
    pub issuer: String,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    port: u16,
    /// Path to status, headers and body.
    pages: Mutex<Vec<(String, String)>>,
    keys: Mutex<Vec<Key>>,
    fetched: AtomicU32,
    away: AtomicBool,
    over: AtomicBool,
}

/// A key of a provider.
#[derive(Clone)]
pub struct Key {
    /// `kid`
    pub kid: String,
    /// In which algorithm it signs.
    pub algorithm: Algorithm,
    encoding: EncodingKey,
    jwk: Value,
}

impl Key {
    /// On P-256.
    pub fn elliptic(kid: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        let encoding = EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref());
        let jwk = json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": kid, "use": "sig", "alg": "ES256" });
        Self { kid: kid.to_owned(), algorithm: Algorithm::ES256, encoding, jwk }
    }

    /// Of 2048 bits, which does not say for which algorithm it is, as Entra ID's.
    pub fn rsa(kid: &str) -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let der = AsDer::<Pkcs8V1Der>::as_der(&pair).unwrap();
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines(der.as_ref()));
        let public = pair.public_key();
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let (n, e) =
            (public.modulus().big_endian_without_leading_zero(), public.exponent().big_endian_without_leading_zero());
        let jwk = json!({ "kty": "RSA", "n": encode(n), "e": encode(e), "kid": kid, "use": "sig" });
        let encoding = EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap();
        Self { kid: kid.to_owned(), algorithm: Algorithm::RS256, encoding, jwk }
    }

    /// Its public half, as bytes.
    pub fn public(&self) -> Vec<u8> {
        self.jwk.to_string().into_bytes()
    }

    /// A token, whatever its header says.
    pub fn sign_as(&self, header: &Value, claims: &Value, algorithm: Algorithm) -> String {
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &self.encoding, algorithm).unwrap();
        format!("{signed}.{signature}")
    }

    /// A header as it should be.
    pub fn header(&self) -> Value {
        json!({ "typ": "JWT", "alg": format!("{:?}", self.algorithm), "kid": self.kid })
    }

    /// A token.
    pub fn sign(&self, claims: &Value) -> String {
        self.sign_as(&self.header(), claims, self.algorithm)
    }
}

fn lines(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    lines.join("\n")
}

impl Provider {
    /// With a key on P-256.
    pub fn start() -> Self {
        Self::with(Key::elliptic("first"), "")
    }

    /// With a key, and an issuer that ends in a path.
    pub fn with(key: Key, path: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let issuer = format!("http://127.0.0.1:{port}{path}");
        let shared = Arc::new(Shared {
            port,
            pages: Mutex::default(),
            keys: Mutex::new(vec![key]),
            fetched: AtomicU32::new(0),
            away: AtomicBool::new(false),
            over: AtomicBool::new(false),
        });
        let configuration =
            json!({ "issuer": issuer, "jwks_uri": format!("http://127.0.0.1:{port}/jwks") }).to_string();
        let mut provider = Self { issuer, shared: Arc::clone(&shared), thread: None };
        provider.serve(&format!("{path}/.well-known/openid-configuration"), &ok(&configuration));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if shared.over.load(Ordering::Relaxed) {
                    break;
                }
                // A client that hangs up is its own affair.
                let _ = shared.answer(stream);
            }
        });
        provider.thread = Some(thread);
        provider
    }

    /// What a path answers, from the status line on.
    pub fn serve(&self, path: &str, response: &str) {
        let mut pages = self.shared.pages.lock().unwrap();
        pages.retain(|(known, _)| known != path);
        pages.push((path.to_owned(), response.to_owned()));
    }

    /// Its keys from now on.
    pub fn publish(&self, keys: &[Key]) {
        *self.shared.keys.lock().unwrap() = keys.to_vec();
    }

    /// The key that signs.
    pub fn key(&self) -> Key {
        self.shared.keys.lock().unwrap()[0].clone()
    }

    /// Whether it hangs up on everybody.
    pub fn set_away(&self, away: bool) {
        self.shared.away.store(away, Ordering::Relaxed);
    }

    /// How often its keys were fetched.
    pub fn fetched(&self) -> u32 {
        self.shared.fetched.load(Ordering::Relaxed)
    }

    /// What a token for the audience `loti` says of somebody.
    pub fn claims(&self, subject: &str, email: &str) -> Value {
        let now = chrono::DateTime::<chrono::Utc>::from(std::time::UNIX_EPOCH) + uptime();
        json!({
            "iss": self.issuer, "aud": "loti", "sub": subject, "email": email, "email_verified": true,
            "name": format!("Name of {subject}"), "iat": now.timestamp(), "exp": now.timestamp() + 3600,
        })
    }

    /// [`Self::claims`] as a token.
    pub fn token(&self, subject: &str, email: &str) -> String {
        self.key().sign(&self.claims(subject, email))
    }
}

#[expect(clippy::disallowed_methods, reason = "a provider has a clock of its own")]
fn uptime() -> std::time::Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap()
}

/// A response with a body of JSON.
pub fn ok(body: &str) -> String {
    format!("200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

impl Shared {
    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        if self.away.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut head = BufReader::new(stream.try_clone()?).lines();
        let request = head.next().transpose()?.unwrap_or_default();
        while head.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        let page = self.pages.lock().unwrap().iter().find(|(known, _)| *known == path).map(|(_, page)| page.clone());
        if path == "/jwks" {
            self.fetched.fetch_add(1, Ordering::Relaxed);
        }
        let response = match page {
            Some(page) => page,
            None if path == "/jwks" => {
                let keys: Vec<Value> = self.keys.lock().unwrap().iter().map(|key| key.jwk.clone()).collect();
                ok(&json!({ "keys": keys }).to_string())
            }
            None => "404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
        };
        write!(stream, "HTTP/1.1 {}", response.replacen("\r\n", "\r\nConnection: close\r\n", 1))
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.shared.over.store(true, Ordering::Relaxed);
            // It waits for somebody to come.
            let _ = TcpStream::connect(("127.0.0.1", self.shared.port));
            let _ = thread.join();
        }
    }
}
