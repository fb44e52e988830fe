//! S3 and what speaks like it (MinIO): many requests in flight over kept connections, buckets by path.

use super::{
    NewObject, ObjectEntry, ObjectName, ObjectPage, Objects, check_bucket, check_key, last_of_each_key,
};
use crate::connectors::install_cryptography;
use crate::service::{Endpoint, ServiceError, ServiceErrorKind, connection_fault};
use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    Builder, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation, SharedHttpClient,
};
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration, EncodingType};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use bytes::Bytes;
use esteira_operator::Connection;
use futures::{StreamExt, TryStreamExt, stream};
use std::error::Error;
use std::time::Duration;

/// The service's name for people, except where it is Amazon's own.
const SERVICE: &str = "MinIO";
const AMAZON: &str = "S3";
const AMAZON_DOMAIN: &str = "amazonaws.com";

const PORT: u16 = 80;
const TLS_PORT: u16 = 443;

/// The region of a bucket that was made without naming one; MinIO's only one.
const REGION_DEFAULT: &str = "us-east-1";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long one try of one request may take, a large body's upload included.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(120);

/// Connections that are kept when they are not in use: as many as there may be requests in flight.
const IDLE_CONNECTIONS_MAX: usize = 64;

/// The most keys that S3 lists in one answer.
const PAGE_MAX: usize = 1_000;

/// An S3 service.
pub(crate) struct S3Objects {
    endpoint: Endpoint,
    client: Client,
    region: String,
}

impl S3Objects {
    /// A client for this connection. It connects when it is first used.
    pub(crate) fn open(connection: &Connection, patience: Option<Duration>) -> Result<Self, ServiceError> {
        install_cryptography();
        let service = match connection.url.host_str() {
            Some(host) if host.ends_with(AMAZON_DOMAIN) => AMAZON,
            _ => SERVICE,
        };
        let fault = |message: &str| connection_fault(service, &connection.id, message);
        let is_tls = match connection.option("tls").as_deref() {
            None | Some("true") => true,
            Some("false") => false,
            Some(_) => return Err(fault("has a URL whose tls= is neither true nor false")),
        };
        let endpoint = Endpoint::new(connection, service, if is_tls { TLS_PORT } else { PORT }, patience)?;
        let (Some(key), Some(secret)) = (connection.username(), connection.password()) else {
            return Err(fault("has no credentials in its URL: s3://KEY:SECRET@HOST:PORT?region=us-east-1"));
        };
        let region = connection.option("region").unwrap_or_else(|| REGION_DEFAULT.to_owned());
        let http = http_client(&endpoint, is_tls, endpoint.authority(connection)?)?;
        let scheme = if is_tls { "https" } else { "http" };
        let config = Builder::new()
            .behavior_version_latest()
            .endpoint_url(format!("{scheme}://{}", endpoint.address()))
            .force_path_style(true)
            .region(Region::new(region.clone()))
            .credentials_provider(Credentials::new(
                key,
                secret,
                connection.option("session_token"),
                None,
                "esteira",
            ))
            .http_client(http)
            // The endpoint's patience decides, as for every service.
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts())
            // The signature covers the body already; checksums of S3's own kinds only slow down, or are not known.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .build();
        Ok(Self { endpoint, client: Client::from_conf(config), region })
    }

    fn check_names(&self, bucket: &str, key: &str) -> Result<(), ServiceError> {
        self.check_bucket(bucket)?;
        check_key(key).map_err(|message| self.endpoint.rejected(message))
    }

    fn check_bucket(&self, bucket: &str) -> Result<(), ServiceError> {
        check_bucket(bucket).map_err(|message| self.endpoint.rejected(message))
    }

    async fn fault<E>(&self, error: SdkError<E, HttpResponse>) -> ServiceError
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let status = error.raw_response().map_or(0, |response| response.status().as_u16());
        let code = error.code().unwrap_or_default().to_owned();
        let said = format!("{code} {}", error.message().unwrap_or_default()).trim().to_owned();
        match &error {
            SdkError::ServiceError(_) => self.answer_fault(status, &code, &said),
            SdkError::TimeoutError(_) => self.endpoint.unavailable("did not answer in time"),
            SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => {
                // A look of our own tells it in the words that are the same for every service.
                match self.endpoint.reach().await {
                    Err(reason) => reason,
                    Ok(()) => self.endpoint.connection_fault(&DisplayErrorContext(&error).to_string()),
                }
            }
            _ => self
                .endpoint
                .error(ServiceErrorKind::Faulty, format!("failed: {}", DisplayErrorContext(&error))),
        }
    }

    fn answer_fault(&self, status: u16, code: &str, said: &str) -> ServiceError {
        match (status, code) {
            (_, "SignatureDoesNotMatch" | "InvalidAccessKeyId") | (401, _) => {
                self.endpoint.error(ServiceErrorKind::Denied, format!("refused the credentials: {code}"))
            }
            (403, _) => self.endpoint.error(ServiceErrorKind::Denied, format!("denied access: {said}")),
            (429 | 500..=599, _) | (_, "RequestTimeout") => {
                self.endpoint.unavailable(format!("is not ready: {said}"))
            }
            (400..=499, _) => self.endpoint.rejected(format!("refused: {said}")),
            _ => self.endpoint.error(ServiceErrorKind::Faulty, format!("answered {status}: {said}")),
        }
    }

    async fn put_once(&self, bucket: &str, object: &NewObject) -> Result<(), ServiceError> {
        let body = ByteStream::from(object.body.clone());
        let request = self
            .client
            .put_object()
            .bucket(bucket)
            .key(&object.key)
            .content_type(object.content_type.as_ref());
        match request.body(body).send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("NoSuchBucket") => {
                Err(self.endpoint.rejected(format!("has no bucket {bucket:?}")))
            }
            Err(error) => Err(self.fault(error).await),
        }
    }

    async fn get_once(&self, bucket: &str, key: &str) -> Result<Option<Bytes>, ServiceError> {
        match self.client.get_object().bucket(bucket).key(key).send().await {
            Ok(answer) => match answer.body.collect().await {
                Ok(body) => Ok(Some(body.into_bytes())),
                Err(error) => Err(self.endpoint.connection_fault(&DisplayErrorContext(&error).to_string())),
            },
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(self.fault(error).await),
        }
    }

    async fn copy_once(&self, from: ObjectName<'_>, to: ObjectName<'_>) -> Result<bool, ServiceError> {
        let source = format!("{}/{}", from.bucket, encode_key(from.key));
        match self.client.copy_object().copy_source(source).bucket(to.bucket).key(to.key).send().await {
            Ok(_) => Ok(true),
            // Whether it is the object that is missing, or the bucket that it goes to.
            Err(error) if is_missing(&error) && error.code() != Some("NoSuchBucket") => Ok(false),
            Err(error) => Err(self.fault(error).await),
        }
    }

    async fn list_once(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<ObjectPage, ServiceError> {
        let limit = i32::try_from(limit.clamp(1, PAGE_MAX)).unwrap_or(i32::MAX);
        // Keys may hold characters that XML cannot: they come percent-encoded.
        let request = self.client.list_objects_v2().bucket(bucket).prefix(prefix).max_keys(limit);
        let request = request.encoding_type(EncodingType::Url).set_start_after(after.map(str::to_owned));
        match request.send().await {
            Ok(answer) => Ok(to_page(answer)),
            Err(error) if is_missing(&error) => Ok(ObjectPage::default()),
            Err(error) => Err(self.fault(error).await),
        }
    }

    async fn ensure_bucket_once(&self, bucket: &str) -> Result<(), ServiceError> {
        match self.client.head_bucket().bucket(bucket).send().await {
            Ok(_) => return Ok(()),
            Err(error) if is_missing(&error) => {}
            Err(error) => return Err(self.fault(error).await),
        }
        let place = (self.region != REGION_DEFAULT).then(|| {
            let region = BucketLocationConstraint::from(self.region.as_str());
            CreateBucketConfiguration::builder().location_constraint(region).build()
        });
        match self.client.create_bucket().bucket(bucket).set_create_bucket_configuration(place).send().await {
            Ok(_) => Ok(()),
            // Someone else made it in between.
            Err(error) if error.code() == Some("BucketAlreadyOwnedByYou") => Ok(()),
            Err(error) => Err(self.fault(error).await),
        }
    }

    async fn delete_once(&self, bucket: &str, key: &str) -> Result<(), ServiceError> {
        match self.client.delete_object().bucket(bucket).key(key).send().await {
            Ok(_) => Ok(()),
            Err(error) if is_missing(&error) => Ok(()),
            Err(error) => Err(self.fault(error).await),
        }
    }

    async fn ping_once(&self) -> Result<(), ServiceError> {
        match self.client.list_buckets().send().await {
            Ok(_) => Ok(()),
            // It knows us and says no to this one question: many keys are for one bucket only.
            Err(error) if error.code() == Some("AccessDenied") => Ok(()),
            Err(error) => Err(self.fault(error).await),
        }
    }
}

fn http_client(
    endpoint: &Endpoint,
    is_tls: bool,
    authority: Option<Vec<u8>>,
) -> Result<SharedHttpClient, ServiceError> {
    // Without TLS, the system's certificates are not even read.
    let mut trust = TrustStore::empty().with_native_roots(is_tls);
    if let Some(pem) = authority {
        trust.add_pem_certificate(pem);
    }
    let context = TlsContext::builder().with_trust_store(trust).build();
    let context = context
        .map_err(|error| endpoint.misconfigured(format!("has certificates that cannot be used: {error}")))?;
    let builder = aws_smithy_http_client::Builder::new().pool_max_idle_per_host(IDLE_CONNECTIONS_MAX);
    Ok(builder.tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(context).build_https())
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .build()
}

fn is_missing<E>(error: &SdkError<E, HttpResponse>) -> bool {
    error.raw_response().is_some_and(|response| response.status().as_u16() == 404)
}

fn to_page(answer: ListObjectsV2Output) -> ObjectPage {
    let has_more = answer.is_truncated.unwrap_or_default();
    let entries = answer.contents.unwrap_or_default().into_iter().filter_map(|object| {
        let size = object.size.unwrap_or_default().unsigned_abs();
        object.key.map(|key| ObjectEntry { key: decode_key(&key), size })
    });
    let objects: Vec<ObjectEntry> = entries.collect();
    let next = if has_more { objects.last().map(|last| last.key.clone()) } else { None };
    ObjectPage { objects, next }
}

/// A key in a header: percent-encoded but for its slashes.
fn encode_key(key: &str) -> String {
    const PLAIN: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    percent_encoding::utf8_percent_encode(key, PLAIN).to_string()
}

/// A key from a listing, where a space is a plus and a plus is percent-encoded.
fn decode_key(key: &str) -> String {
    percent_encoding::percent_decode_str(&key.replace('+', " ")).decode_utf8_lossy().into_owned()
}

#[async_trait]
impl Objects for S3Objects {
    async fn ensure_bucket(&self, bucket: &str) -> Result<(), ServiceError> {
        self.check_bucket(bucket)?;
        self.endpoint.patiently(|| self.ensure_bucket_once(bucket)).await
    }

    async fn put_all(
        &self,
        bucket: &str,
        objects: Vec<NewObject>,
        in_flight: usize,
        on_progress: &(dyn Fn(usize) + Send + Sync),
    ) -> Result<(), ServiceError> {
        self.check_bucket(bucket)?;
        objects.iter().try_for_each(|object| self.check_names(bucket, &object.key))?;
        let puts = last_of_each_key(objects)
            .into_iter()
            .map(|object| async move { self.endpoint.patiently(|| self.put_once(bucket, &object)).await });
        let mut puts = stream::iter(puts).buffer_unordered(in_flight.max(1));
        let mut done = 0;
        while puts.try_next().await?.is_some() {
            done += 1;
            on_progress(done);
        }
        Ok(())
    }

    async fn get(&self, bucket: &str, key: &str) -> Result<Option<Bytes>, ServiceError> {
        self.check_names(bucket, key)?;
        self.endpoint.patiently(|| self.get_once(bucket, key)).await
    }

    async fn copy(&self, from: ObjectName<'_>, to: ObjectName<'_>) -> Result<bool, ServiceError> {
        self.check_names(from.bucket, from.key)?;
        self.check_names(to.bucket, to.key)?;
        self.endpoint.patiently(|| self.copy_once(from, to)).await
    }

    async fn presign(
        &self,
        object: ObjectName<'_>,
        is_upload: bool,
        expires_in: Duration,
    ) -> Result<String, ServiceError> {
        self.check_names(object.bucket, object.key)?;
        let config = PresigningConfig::expires_in(expires_in).map_err(|error| {
            self.endpoint.rejected(format!("gives out no address for that time: {error}"))
        })?;
        let (bucket, key) = (object.bucket, object.key);
        let signed = if is_upload {
            self.client
                .put_object()
                .bucket(bucket)
                .key(key)
                .presigned(config)
                .await
                .map_err(|error| DisplayErrorContext(error).to_string())
        } else {
            self.client
                .get_object()
                .bucket(bucket)
                .key(key)
                .presigned(config)
                .await
                .map_err(|error| DisplayErrorContext(error).to_string())
        };
        // Nothing is sent for it, so what fails is the client's own set-up.
        signed
            .map(|request| request.uri().to_owned())
            .map_err(|error| self.endpoint.misconfigured(format!("cannot sign: {error}")))
    }

    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<ObjectPage, ServiceError> {
        self.check_bucket(bucket)?;
        self.endpoint.patiently(|| self.list_once(bucket, prefix, after, limit)).await
    }

    async fn delete(&self, bucket: &str, key: &str) -> Result<(), ServiceError> {
        self.check_names(bucket, key)?;
        self.endpoint.patiently(|| self.delete_once(bucket, key)).await
    }

    async fn ping(&self) -> Result<(), ServiceError> {
        self.endpoint.promptly(self.ping_once()).await
    }
}
