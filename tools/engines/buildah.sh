export BUILDAH_RUNTIME=/usr/sbin/wherry
