# title: openjdk
# what: `java -version`; a class: threads, a hot loop for its JIT, sha256, a null pointer caught
# image: java
java -version
java -cp /usr/local/lib Hello
