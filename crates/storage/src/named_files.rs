//! Files of a place by plain names, for what is no table: the checkpoints of a training run.

use object_store::path::Path;

use crate::{
    Place,
    error::{Result, StorageError},
    place::Put,
};

impl Place {
    /// The bytes of a file; none where there is none.
    ///
    /// # Errors
    ///
    /// Where the store fails.
    pub async fn read_file(&self, name: &str) -> Result<Option<Vec<u8>>> {
        match self.get(&Path::from(name)).await {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(StorageError::Store { source, .. }) if matches!(*source, object_store::Error::NotFound { .. }) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Puts a file into its place, whole or not at all; one of that name is replaced.
    ///
    /// # Errors
    ///
    /// Where the store fails; what was there before is there still then.
    pub async fn write_file(&self, name: &str, bytes: Vec<u8>) -> Result<()> {
        self.put(&Path::from(name), bytes.into(), Put::Replace).await.map(|_| ())
    }

    /// The names of the files that lie in the place itself, not in folders of it.
    ///
    /// # Errors
    ///
    /// Where the store fails.
    pub async fn file_names(&self) -> Result<Vec<String>> {
        let root = Path::default();
        let listed = self.store().list_with_delimiter(Some(&root)).await;
        let listed = listed.map_err(|error| self.failed(&root, error))?;
        Ok(listed.objects.iter().filter_map(|object| object.location.filename().map(str::to_owned)).collect())
    }

    /// Takes a file away; one that is not there is as good.
    ///
    /// # Errors
    ///
    /// Where the store fails.
    pub async fn delete_file(&self, name: &str) -> Result<()> {
        self.delete(&Path::from(name)).await
    }

    /// A file of this place in messages.
    pub fn file_shown(&self, name: &str) -> String {
        self.path_shown(&Path::from(name))
    }
}

#[cfg(test)]
mod tests {
    use crate::{Place, block_on, place::S3Settings};

    #[test]
    fn a_file_is_there_whole_replaced_listed_and_gone() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_str().unwrap();
        let place = Place::create(root, &S3Settings::default()).unwrap();
        assert_eq!(block_on(place.read_file("checkpoint.bin")).unwrap(), None);
        for bytes in [b"first".to_vec(), b"second, and longer".to_vec()] {
            block_on(place.write_file("checkpoint.bin", bytes.clone())).unwrap();
            assert_eq!(block_on(place.read_file("checkpoint.bin")).unwrap(), Some(bytes));
        }
        std::fs::create_dir(folder.path().join("below")).unwrap();
        std::fs::write(folder.path().join("below/other.bin"), b"x").unwrap();
        assert_eq!(block_on(place.file_names()).unwrap(), ["checkpoint.bin"]);
        assert_eq!(place.file_shown("checkpoint.bin"), format!("{root}/checkpoint.bin"));
        for _ in 0..2 {
            block_on(place.delete_file("checkpoint.bin")).unwrap();
            assert_eq!(block_on(place.read_file("checkpoint.bin")).unwrap(), None);
        }
    }
}
