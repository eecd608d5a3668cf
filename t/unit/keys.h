/* Keys for tests, by what OpenSSL and AWS-LC have in common. */
#ifndef T_UNIT_KEYS_H
#define T_UNIT_KEYS_H

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>
#include <stdbool.h>
#include <stdlib.h>

/* Of that type (EVP_PKEY_EC and so on); parameter: the NID of a curve, or the
 * bits of an RSA key. NULL: the library does not know the type. */
static inline EVP_PKEY *
key_new(int type, int parameter)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(type, NULL);
	EVP_PKEY *key = NULL;

	if (ctx == NULL)
		return (NULL);
	if (EVP_PKEY_keygen_init(ctx) != 1 ||
	    (type == EVP_PKEY_EC &&
		EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx, parameter) != 1) ||
	    (type == EVP_PKEY_RSA &&
		EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, parameter) != 1) ||
	    EVP_PKEY_keygen(ctx, &key) != 1)
		abort();
	EVP_PKEY_CTX_free(ctx);
	return (key);
}

static inline EVP_PKEY *
key_p256(void)
{
	return (key_new(EVP_PKEY_EC, NID_X9_62_prime256v1));
}

/* Has the key's point written in its short form. */
#ifdef OPENSSL_IS_AWSLC
static inline bool
key_compress(EVP_PKEY *key)
{
	EC_KEY_set_conv_form(
	    EVP_PKEY_get0_EC_KEY(key), POINT_CONVERSION_COMPRESSED);
	return (true);
}

static inline int
key_curve(EVP_PKEY *key)
{
	return (EC_GROUP_get_curve_name(
	    EC_KEY_get0_group(EVP_PKEY_get0_EC_KEY(key))));
}
#else
#include <openssl/core_names.h>

/* Its NID. */
static inline int
key_curve(EVP_PKEY *key)
{
	char group[32];

	if (EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) != 1)
		return (NID_undef);
	return (OBJ_sn2nid(group));
}

static inline bool
key_compress(EVP_PKEY *key)
{
	return (EVP_PKEY_set_utf8_string_param(key,
		    OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
		    OSSL_PKEY_EC_POINT_CONVERSION_FORMAT_COMPRESSED) == 1);
}
#endif

#endif
