// SPDX-License-Identifier: Apache-2.0
// OpenSSL, loaded when the first connection wants TLS or something is hashed. Its two libraries need more time to be mapped and
// relocated than all the rest of a call of `hansa` together, and a broker on the same machine speaks plain HTTP. These are the
// functions that broker/http/client_socket.cpp, broker/core/digest.cpp, sha256_stream.cpp and broker/ledger/ed25519.cpp call,
// under their own names: the linker takes them from here and leaves the libraries out (--as-needed); one that is missing here is
// no error, but links the libraries again (the test cli_links_little).

#include <dlfcn.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <cstddef>
#include <string>
#include <tuple>

namespace {

constexpr int kUnavailable = 5;  // exit status: the broker cannot be reached

/// Looked up in libssl and in libcrypto, on which it depends.
void* find(const char* name) {
  static void* const kLibrary = ::dlopen("libssl.so.3", RTLD_NOW | RTLD_LOCAL);
  if (void* const found = kLibrary == nullptr ? nullptr : ::dlsym(kLibrary, name)) return found;
  const char* why = ::dlerror();
  const auto line =
      std::string("hansa: this needs OpenSSL 3: ") + (why == nullptr ? name : why) + "; install it (Debian: libssl3)\n";
  [[maybe_unused]] const auto wrote = ::write(STDERR_FILENO, line.data(), line.size());
  ::_exit(kUnavailable);
}

template <typename F>
struct Signature;
template <typename R, typename... A>
struct Signature<R(A...)> {
  using Answer = R;
  template <std::size_t I>
  using Argument = std::tuple_element_t<I, std::tuple<A...>>;
};

}  // namespace

// NOLINTBEGIN(cppcoreguidelines-macro-usage): a function's name and its text
#define HANSA_FOUND(name) static const auto found = reinterpret_cast<decltype(&::name)>(find(#name))
#define HANSA_TYPES(name) Signature<decltype(::name)>
#define HANSA_ON_DEMAND_0(name)      \
  HANSA_TYPES(name)::Answer name() { \
    HANSA_FOUND(name);               \
    return found();                  \
  }
#define HANSA_ON_DEMAND_1(name)                                      \
  HANSA_TYPES(name)::Answer name(HANSA_TYPES(name)::Argument<0> a) { \
    HANSA_FOUND(name);                                               \
    return found(a);                                                 \
  }
#define HANSA_ON_DEMAND_2(name)                                                                        \
  HANSA_TYPES(name)::Answer name(HANSA_TYPES(name)::Argument<0> a, HANSA_TYPES(name)::Argument<1> b) { \
    HANSA_FOUND(name);                                                                                 \
    return found(a, b);                                                                                \
  }
#define HANSA_ON_DEMAND_3(name)                                                                      \
  HANSA_TYPES(name)::Answer name(HANSA_TYPES(name)::Argument<0> a, HANSA_TYPES(name)::Argument<1> b, \
                                 HANSA_TYPES(name)::Argument<2> c) {                                 \
    HANSA_FOUND(name);                                                                               \
    return found(a, b, c);                                                                           \
  }
#define HANSA_ON_DEMAND_4(name)                                                                        \
  HANSA_TYPES(name)::Answer name(HANSA_TYPES(name)::Argument<0> a, HANSA_TYPES(name)::Argument<1> b,   \
                                 HANSA_TYPES(name)::Argument<2> c, HANSA_TYPES(name)::Argument<3> d) { \
    HANSA_FOUND(name);                                                                                 \
    return found(a, b, c, d);                                                                          \
  }
#define HANSA_ON_DEMAND_5(name)                                                                      \
  HANSA_TYPES(name)::Answer name(HANSA_TYPES(name)::Argument<0> a, HANSA_TYPES(name)::Argument<1> b, \
                                 HANSA_TYPES(name)::Argument<2> c, HANSA_TYPES(name)::Argument<3> d, \
                                 HANSA_TYPES(name)::Argument<4> e) {                                 \
    HANSA_FOUND(name);                                                                               \
    return found(a, b, c, d, e);                                                                     \
  }
#define HANSA_ON_DEMAND_6(name)                                                                        \
  HANSA_TYPES(name)::Answer name(HANSA_TYPES(name)::Argument<0> a, HANSA_TYPES(name)::Argument<1> b,   \
                                 HANSA_TYPES(name)::Argument<2> c, HANSA_TYPES(name)::Argument<3> d,   \
                                 HANSA_TYPES(name)::Argument<4> e, HANSA_TYPES(name)::Argument<5> f) { \
    HANSA_FOUND(name);                                                                                 \
    return found(a, b, c, d, e, f);                                                                    \
  }
// NOLINTEND(cppcoreguidelines-macro-usage)

extern "C" {
// Hidden: OpenSSL's own calls among its libraries must not come through here.
#pragma GCC visibility push(hidden)
HANSA_ON_DEMAND_2(BIO_clear_flags)
HANSA_ON_DEMAND_4(BIO_ctrl)
HANSA_ON_DEMAND_4(BIO_int_ctrl)
HANSA_ON_DEMAND_1(BIO_meth_get_create)
HANSA_ON_DEMAND_1(BIO_meth_get_ctrl)
HANSA_ON_DEMAND_1(BIO_meth_get_destroy)
HANSA_ON_DEMAND_1(BIO_meth_get_read)
HANSA_ON_DEMAND_2(BIO_meth_new)
HANSA_ON_DEMAND_2(BIO_meth_set_create)
HANSA_ON_DEMAND_2(BIO_meth_set_ctrl)
HANSA_ON_DEMAND_2(BIO_meth_set_destroy)
HANSA_ON_DEMAND_2(BIO_meth_set_read)
HANSA_ON_DEMAND_2(BIO_meth_set_write)
HANSA_ON_DEMAND_1(BIO_new)
HANSA_ON_DEMAND_0(BIO_s_socket)
HANSA_ON_DEMAND_2(BIO_set_flags)
HANSA_ON_DEMAND_0(ERR_clear_error)
HANSA_ON_DEMAND_3(ERR_error_string_n)
HANSA_ON_DEMAND_0(ERR_get_error)
HANSA_ON_DEMAND_6(EVP_Digest)
HANSA_ON_DEMAND_3(EVP_DigestFinal_ex)
HANSA_ON_DEMAND_3(EVP_DigestInit_ex)
HANSA_ON_DEMAND_3(EVP_DigestUpdate)
HANSA_ON_DEMAND_5(EVP_DigestSign)
HANSA_ON_DEMAND_5(EVP_DigestSignInit)
HANSA_ON_DEMAND_5(EVP_DigestVerify)
HANSA_ON_DEMAND_5(EVP_DigestVerifyInit)
HANSA_ON_DEMAND_1(EVP_MD_CTX_free)
HANSA_ON_DEMAND_0(EVP_MD_CTX_new)
HANSA_ON_DEMAND_3(EVP_MD_fetch)
HANSA_ON_DEMAND_1(EVP_PKEY_free)
HANSA_ON_DEMAND_3(EVP_PKEY_get_raw_public_key)
HANSA_ON_DEMAND_4(EVP_PKEY_new_raw_private_key)
HANSA_ON_DEMAND_4(EVP_PKEY_new_raw_public_key)
HANSA_ON_DEMAND_0(EVP_sha256)
HANSA_ON_DEMAND_4(SSL_CTX_ctrl)
HANSA_ON_DEMAND_1(SSL_CTX_free)
HANSA_ON_DEMAND_2(SSL_CTX_load_verify_file)
HANSA_ON_DEMAND_1(SSL_CTX_new)
HANSA_ON_DEMAND_1(SSL_CTX_set_default_verify_paths)
HANSA_ON_DEMAND_3(SSL_CTX_set_verify)
HANSA_ON_DEMAND_1(SSL_connect)
HANSA_ON_DEMAND_4(SSL_ctrl)
HANSA_ON_DEMAND_1(SSL_free)
HANSA_ON_DEMAND_1(SSL_get0_param)
HANSA_ON_DEMAND_2(SSL_get_error)
HANSA_ON_DEMAND_1(SSL_get_verify_result)
HANSA_ON_DEMAND_1(SSL_new)
HANSA_ON_DEMAND_4(SSL_peek_ex)
HANSA_ON_DEMAND_4(SSL_read_ex)
HANSA_ON_DEMAND_3(SSL_set_bio)
HANSA_ON_DEMAND_1(SSL_shutdown)
HANSA_ON_DEMAND_4(SSL_write_ex)
HANSA_ON_DEMAND_0(TLS_client_method)
HANSA_ON_DEMAND_3(X509_VERIFY_PARAM_set1_host)
HANSA_ON_DEMAND_2(X509_VERIFY_PARAM_set1_ip_asc)
HANSA_ON_DEMAND_1(X509_verify_cert_error_string)
#pragma GCC visibility pop
}
