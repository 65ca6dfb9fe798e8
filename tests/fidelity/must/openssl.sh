# title: openssl
# what: digests, ciphers, a key pair, a certificate, `speed` for a second
cd /tmp && seq 100000 > data
for digest in md5 sha1 sha256 sha512 sha3-256 blake2b512; do openssl dgst -"$digest" data; done
for cipher in aes-128-cbc aes-256-ctr chacha20 camellia-128-cbc; do
    openssl enc -"$cipher" -K 000102030405060708090a0b0c0d0e0f -iv 000102030405060708090a0b0c0d0e0f -in data -out sealed 2>&1
    sha256sum sealed
    openssl enc -d -"$cipher" -K 000102030405060708090a0b0c0d0e0f -iv 000102030405060708090a0b0c0d0e0f -in sealed 2>/dev/null | cmp - data && echo "$cipher"
done
openssl enc -aes-256-cbc -pbkdf2 -S 0102030405060708 -k secret -in data | sha256sum
openssl ecparam -genkey -name prime256v1 -out key.pem
openssl req -x509 -new -key key.pem -subj /CN=box -days 1 -out cert.pem && openssl verify -CAfile cert.pem cert.pem
openssl dgst -sha256 -sign key.pem -out signature data
openssl ec -in key.pem -pubout -out public.pem 2>/dev/null
openssl dgst -sha256 -verify public.pem -signature signature data
[ "$(openssl rand -hex 16)" != "$(openssl rand -hex 16)" ] && echo random
openssl speed -seconds 1 -bytes 1024 -evp sha256 2>/dev/null | grep -c '^sha256 .*k$'
openssl speed -seconds 1 -bytes 1024 -evp aes-128-gcm 2>/dev/null | grep -ci '^aes-128-gcm .*k$'
