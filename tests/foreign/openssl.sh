# title: openssl
# what: digests, ciphers, a key pair, a signature, `speed` for a second
# image: tools
cd /tmp && seq 20000 > data
for digest in sha1 sha256 sha512 sha3-256 blake2b512; do openssl dgst -"$digest" data; done
for cipher in aes-128-cbc aes-256-ctr chacha20; do
    openssl enc -"$cipher" -K 000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f \
        -iv 000102030405060708090a0b0c0d0e0f -in data 2> /dev/null | sha256sum
done
openssl ecparam -genkey -name prime256v1 -out key.pem
openssl dgst -sha256 -sign key.pem -out signature data
openssl ec -in key.pem -pubout -out public.pem 2> /dev/null
openssl dgst -sha256 -verify public.pem -signature signature data
openssl speed -seconds 1 -bytes 1024 -evp sha256 2> /dev/null | grep -c '^sha256 .*k$'
